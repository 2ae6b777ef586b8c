// Checkpoints as Hugging Face folders: safetensors, config.json, tokenizer files.
#include "options.wire.h"
#include "plugins/checkpoint/hf/folder_reader.h"
#include "plugins/checkpoint/hf/folder_writer.h"

namespace {
using namespace corral;

class HuggingFace final : public Checkpoint<options::hf::Options> {
  Probe probe(const std::string& path) override { return safetensors::probe_folder(path); }
  std::unique_ptr<CheckpointReader> open(const Options&, const CheckpointOpenRequest& request) override {
    return std::make_unique<safetensors::FolderReader>(request.path);
  }
  std::unique_ptr<CheckpointWriter> create(const Options&, const CheckpointWriteRequest& request) override {
    return std::make_unique<safetensors::FolderWriter>(request);
  }
  void commit(const Options&, const CheckpointWriteRequest& request) override { safetensors::commit_folder(request); }
};
}  // namespace

CORRAL_PLUGIN(HuggingFace)
