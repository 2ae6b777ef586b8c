// `corral import`: a model of another program as a run directory, whose one checkpoint has no training state.
#include <cstdio>
#include <filesystem>

#include "bin/cli/configuration.h"
#include "bin/cli/job.h"
#include "bin/cli/model_transfer.h"
#include "corral/error.h"
#include "kernel/checkpoint/files.h"
#include "kernel/checkpoint/new_folder.h"
#include "kernel/checkpoint/store.h"

namespace corral::cli {
namespace {

constexpr Flag kFlags[] = {
    {"hf-model", Flag::kValue, "DIR", "Hugging Face folder to read", ""},
    {"dir", Flag::kValue, "DIR", "run directory to make", "run.dir"},
    {"checkpoint-format", Flag::kValue, "PLUGIN", "format of the weights that are written (hf)", "checkpoint.format"},
    {"model", Flag::kValue, "MODEL", "model family, where the configuration suggests another one", "model.plugin"},
};

int run(const Arguments& arguments) {
  const std::string path = arguments.text("hf-model"), dir = arguments.text("dir");
  if (path.empty()) fail("import needs a model: --hf-model DIR");
  if (dir.empty()) fail("import needs the run directory to make: --dir DIR");
  checkpoint::require_new_folder(dir);
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    fail("--hf-model {}: no such folder; a model of the hub is downloaded first, with `hf download` for one", path);
  const ModelSource source = open_model(arguments, path);
  if (source.adapter) fail("--hf-model {}: this is an adapter: merge it into its model first", path);
  const config::RunConfig config = configure_for(arguments, sources(arguments), source);
  const ModelTransfer transfer(arguments, source, config.text("checkpoint.format"), 0);
  checkpoint::make_folder(dir, transfer.bytes(), [&](const std::string& folder) {
    checkpoint::write_synced(folder + "/config.textproto", config.to_textproto());
    checkpoint::save_checkpoint(folder + "/checkpoints", 0, [&](const std::string& whole) { transfer.write(whole); });
  });
  std::fprintf(stderr, "wrote %s/checkpoints/%s: %s\n", dir.c_str(), checkpoint::checkpoint_name(0).c_str(), transfer.summary().c_str());
  return 0;
}

}  // namespace

extern const Command command_import{"import", "make a run directory from a Hugging Face folder", "", kFlags, false, run};

}  // namespace corral::cli
