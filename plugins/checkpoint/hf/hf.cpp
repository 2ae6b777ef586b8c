// Checkpoints as Hugging Face folders: safetensors, config.json, tokenizer files.
#include "options.wire.h"
#include "plugins/checkpoint/hf/folder_reader.h"
#include "plugins/checkpoint/hf/folder_writer.h"

namespace {
using namespace corral;

class HuggingFace final : public Checkpoint<options::hf::Options> {
  Probe probe(const std::string& path) override { return safetensors::probe_folder(path); }
  std::unique_ptr<CheckpointReader> open(const std::string& path) override { return std::make_unique<safetensors::FolderReader>(path); }
  std::unique_ptr<CheckpointWriter> create(const std::string& path, const CheckpointWriteRequest& request) override {
    return std::make_unique<safetensors::FolderWriter>(path, request);
  }
};
}  // namespace

CORRAL_PLUGIN(HuggingFace)
