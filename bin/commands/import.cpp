// `corral import`: converts another program's model to a run directory with one checkpoint without training state, or to a Megatron folder.
#include <cstdio>
#include <filesystem>
#include <optional>

#include "bin/convert/certificate.h"
#include "bin/convert/model_transfer.h"
#include "bin/hub/hub_cache.h"
#include "bin/job/job.h"
#include "bin/terminal/conversion_flags.h"
#include "bin/terminal/model_flags.h"
#include "bin/terminal/program_host.h"
#include "bin/terminal/sources.h"
#include "bin/terminal/voice.h"
#include "corral/error.h"
#include "kernel/checkpoint/files.h"
#include "kernel/checkpoint/new_folder.h"
#include "kernel/checkpoint/store.h"

namespace corral::cli {
namespace {

constexpr Flag kFlags[] = {
    {"hf-model", Flag::kValue, "DIR", "Hugging Face folder to read", ""},
    {"dir", Flag::kValue, "DIR", "run directory to make", "run.dir"},
    {"adapter", Flag::kValue, "DIR", "folder of an adapter: it is written instead of the model", ""},
    {"target-modules", Flag::kValues, "NAMES",
     "modules of the adapter as Megatron names them: linear_qkv linear_fc1 ..., one matrix for their parts", ""},
    {"megatron-path", Flag::kValue, "DIR", "Megatron folder to write instead, iteration 0", ""},
    {"checkpoint-format", Flag::kValue, "PLUGIN", "format of the written weights (hf)", "checkpoint.format"},
    {"model", Flag::kValue, "MODEL", "model family, if the configuration suggests another one", "model.plugin"},
    kCheckFlag,
    kCheckMemoryFlag,
};

int run(const Arguments& arguments) {
  const std::string path = arguments.text("hf-model"), dir = arguments.text("dir");
  if (path.empty()) fail("import needs a model: --hf-model DIR");
  const std::string megatron = arguments.text("megatron-path");
  if (dir.empty() == megatron.empty())
    fail("import needs the run directory to make, --dir DIR, or the folder to write, --megatron-path DIR");
  if (!megatron.empty() && arguments.has("checkpoint-format"))
    fail("--checkpoint-format is of a run directory, --dir DIR; --megatron-path writes Megatron's format");
  checkpoint::require_new_folder(dir.empty() ? megatron : dir);
  std::error_code error;
  if (!std::filesystem::exists(hub::local_path(path), error)) fail("--hf-model {}: no such folder", path);
  const auto check = wanted_check(arguments);
  const job::Host& host = host_of(arguments);
  const job::ModelSource source = open_model(host, model_at(arguments, path, "hf"));
  if (source.adapter && megatron.empty()) fail("{} is an adapter: merge it into its model first", source.adapter->path);
  if (!source.adapter && arguments.has("target-modules")) fail("--target-modules are an adapter's: name it with --adapter DIR");
  const auto wrote = [&](const std::string& folder, const std::string& what, const convert::Conversion& conversion) {
    say(format("wrote {}/{}: {}\n{}", folder, checkpoint::checkpoint_name(0), what, conversion.summary()));
    return 0;
  };
  if (!megatron.empty()) {
    convert::Conversion conversion(host, source, "import", "megatron", check);
    std::optional<convert::ModelTransfer> transfer;
    if (!source.adapter) transfer.emplace(host, source, "megatron", 0);
    const auto write = [&](const std::string& whole) {
      if (transfer)
        transfer->write(whole);
      else
        convert::copy_adapter(host, sources(arguments), source, "megatron", whole, arguments.list("target-modules"));
      conversion.read_back(whole);
    };
    checkpoint::make_folder(megatron, transfer ? transfer->bytes() : 0, say, [&](const std::string& folder) {
      conversion.certify(folder, checkpoint::save_checkpoint(folder, 0, write, {.manifest = false}));
    });
    return wrote(megatron, transfer ? transfer->summary() : "an adapter for " + source.path, conversion);
  }
  const config::RunConfig config = configure_for(host, sources(arguments), source);
  convert::Conversion conversion(host, source, "import", config.text("checkpoint.format"), check);
  const convert::ModelTransfer transfer(host, source, config.text("checkpoint.format"), 0);
  checkpoint::make_folder(dir, transfer.bytes(), say, [&](const std::string& folder) {
    checkpoint::write_synced(folder + "/config.textproto", config.to_textproto());
    conversion.certify(folder, checkpoint::save_checkpoint(folder + "/checkpoints", 0, [&](const std::string& whole) {
                         transfer.write(whole);
                         conversion.read_back(whole);
                       }));
  });
  return wrote(dir + "/checkpoints", transfer.summary(), conversion);
}

}  // namespace

extern const Command command_import{"import", "make a run directory or a Megatron folder from a Hugging Face folder", "", kFlags, {}, run};

}  // namespace corral::cli
