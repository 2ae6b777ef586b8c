#include "bin/job/adapter_source.h"

#include "bin/job/host.h"
#include "corral/error.h"
#include "kernel/checkpoint/format_io.h"
#include "kernel/checkpoint/weight_map.h"
#include "kernel/train/session_tensors.h"

namespace corral::job {

AdapterSource adapter_of(const Host& host, const std::string& path, std::shared_ptr<CheckpointReaderHandle> reader, CheckpointInfo info,
                         const std::string& wanted) {
  AdapterSource adapter{path, "", std::move(reader), std::move(info), "", "", ""};
  DialectConfig config;
  config.dialect = adapter.info.dialect;
  config.content = adapter.info.config;
  uint32_t confidence = 0;
  std::string reason, reasons;
  if (wanted == "none") fail("{} is an adapter, but --peft none asks for a model without one: merge it into its model first", path);
  for (const std::string& name : wanted.empty() ? host.available("peft") : std::vector{wanted}) {
    Recognition r;
    try {
      r = PeftHandle(host.plugins.load("peft", name)).recognize(config);
    } catch (const Unsupported&) {
      continue;  // another dialect
    } catch (const Error& e) {
      // This method need not understand another method's configuration.
      if (e.exit_code() != 2 || !wanted.empty()) throw Error(e.exit_code(), path + ": " + e.what());
      r.reason = e.what();
    }
    reasons += "\n       " + name + ": " + r.reason;
    if (r.confidence <= confidence) continue;
    confidence = r.confidence;
    reason = r.reason;
    adapter.plugin = name;
    adapter.options = r.options;
    adapter.base = r.base;
  }
  if (adapter.plugin.empty())
    fail("{}: {} this adapter{}", path, wanted.empty() ? "no installed peft plugin recognizes" : "--peft " + wanted + " does not recognize",
         reasons);
  host.say(format("adapter: {} ({}), from {}", adapter.plugin, reason, path));
  return adapter;
}

WeightMap weight_map_of(const AdapterSource& adapter, const train::Pipeline& pipeline) {
  return pipeline.adapter_map(adapter.info.dialect, checkpoint::weights_of(adapter.reader->list().tensors), adapter.info.config);
}

void load_adapter(const AdapterSource& adapter, const train::Pipeline& pipeline, runtime::Session& session) {
  const WeightMap map = weight_map_of(adapter, pipeline);
  const auto names = checkpoint::parameters_in(map);
  train::SessionTensors parameters = train::parameters_of(session, names), masters = train::masters_of(session, names);
  try {
    checkpoint::load_model(*adapter.reader, map, parameters);
  } catch (const Error& e) {
    throw Error(e.exit_code(), adapter.path + ": " + e.what());
  }
  if (!masters.tensors().empty()) checkpoint::load_part(*adapter.reader, map, masters);
}

}  // namespace corral::job
