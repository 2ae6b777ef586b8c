// `corral export`: a model in the format of another program.
#include <cstdio>
#include <optional>

#include "bin/convert/certificate.h"
#include "bin/convert/model_transfer.h"
#include "bin/terminal/say.h"
#include "corral/error.h"
#include "kernel/checkpoint/new_folder.h"

namespace corral::cli {
namespace {

constexpr Flag kFlags[] = {
    {"checkpoint", Flag::kValue, "PATH", "run directory, checkpoint or model folder to export", ""},
    {"megatron-path", Flag::kValue, "DIR", "Megatron folder to export", ""},
    {"hf-model", Flag::kValue, "DIR", "Hugging Face folder whose configuration and files are taken (the checkpoint's own)", ""},
    {"hf-path", Flag::kValue, "DIR", "Hugging Face folder to write", ""},
    {"max-shard-size", Flag::kValue, "SIZE", "largest file of weights, such as 500MB (5GB)", ""},
    {"model", Flag::kValue, "MODEL", "model family, where the configuration suggests another one", ""},
    kCheckFlag,
    kCheckMemoryFlag,
};

// The flags that name a folder to write, each with the format that writes it.
constexpr struct {
  const char* flag;
  const char* format;
} kTargets[] = {{"hf-path", "hf"}};

int run(const Arguments& arguments) {
  const ModelPath from = model_path(arguments, "export");
  const uint64_t shard = size_of_text("max-shard-size", arguments.text("max-shard-size"));
  for (const auto& [flag, format] : kTargets) {
    if (!arguments.has(flag)) continue;
    const std::string path = arguments.text(flag);
    checkpoint::require_new_folder(path);
    const ModelSource source = open_model(arguments, from);
    Conversion conversion(arguments, source, "export", format);
    if (source.adapter && shard) fail("--max-shard-size: an adapter is one file: {}", source.adapter->path);
    std::optional<ModelTransfer> transfer;
    if (!source.adapter) transfer.emplace(arguments, source, format, shard);
    checkpoint::make_folder(path, transfer ? transfer->bytes() : 0, say, [&](const std::string& folder) {
      if (transfer)
        transfer->write(folder);
      else
        copy_adapter(arguments, source, format, folder);
      conversion.read_back(folder);
      conversion.certify(folder, folder);
    });
    std::fprintf(stderr, "wrote %s: %s\n%s\n", path.c_str(), (transfer ? transfer->summary() : "an adapter for " + source.path).c_str(),
                 conversion.summary().c_str());
    return 0;
  }
  fail("export needs the folder to write: --hf-path DIR");
}

}  // namespace

extern const Command command_export{"export", "write a model as a Hugging Face folder", "", kFlags, {}, run};

}  // namespace corral::cli
