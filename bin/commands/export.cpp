// `corral export`: writes a model in the format of another program.
#include <cstdio>
#include <optional>

#include "bin/convert/certificate.h"
#include "bin/convert/model_transfer.h"
#include "bin/terminal/conversion_flags.h"
#include "bin/terminal/model_flags.h"
#include "bin/terminal/program_host.h"
#include "bin/terminal/sources.h"
#include "bin/terminal/voice.h"
#include "corral/error.h"
#include "kernel/checkpoint/new_folder.h"

namespace corral::cli {
namespace {

constexpr Flag kFlags[] = {
    {"checkpoint", Flag::kValue, "PATH", "run directory, checkpoint or model folder to export", ""},
    {"megatron-path", Flag::kValue, "DIR", "Megatron folder to export", ""},
    {"hf-model", Flag::kValue, "DIR", "Hugging Face folder to copy the configuration and files from (the checkpoint's own)", ""},
    {"hf-path", Flag::kValue, "DIR", "Hugging Face folder to write", ""},
    {"max-shard-size", Flag::kValue, "SIZE", "largest file of weights, such as 500MB (5GB)", ""},
    {"model", Flag::kValue, "MODEL", "model family, if the configuration suggests another one", ""},
    kCheckFlag,
    kCheckMemoryFlag,
};

// The flags that name a folder to write, each with the format that writes it.
constexpr struct {
  const char* flag;
  const char* format;
} kTargets[] = {{"hf-path", "hf"}};

int run(const Arguments& arguments) {
  const job::WantedModel from = wanted_model(arguments, "export");
  const uint64_t shard = size_of_flag(arguments, "max-shard-size");
  const auto check = wanted_check(arguments);
  const job::Host& host = host_of(arguments);
  for (const auto& [flag, format] : kTargets) {
    if (!arguments.has(flag)) continue;
    const std::string path = arguments.text(flag);
    checkpoint::require_new_folder(path);
    const job::ModelSource source = open_model(host, from);
    convert::Conversion conversion(host, source, "export", format, check);
    if (source.adapter && shard) fail("--max-shard-size: an adapter is one file: {}", source.adapter->path);
    std::optional<convert::ModelTransfer> transfer;
    if (!source.adapter) transfer.emplace(host, source, format, shard);
    checkpoint::make_folder(path, transfer ? transfer->bytes() : 0, say, [&](const std::string& folder) {
      if (transfer)
        transfer->write(folder);
      else
        convert::copy_adapter(host, sources(arguments), source, format, folder);
      conversion.read_back(folder);
      conversion.certify(folder, folder);
    });
    say(corral::format("wrote {}: {}\n{}", path, transfer ? transfer->summary() : "an adapter for " + source.path, conversion.summary()));
    return 0;
  }
  fail("export needs the folder to write: --hf-path DIR");
}

}  // namespace

extern const Command command_export{"export", "write a model as a Hugging Face folder", "", kFlags, {}, run};

}  // namespace corral::cli
