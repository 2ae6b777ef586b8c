// Checkpoints as folders of Megatron Core's torch_dist format.
#include "options.wire.h"
#include "plugins/checkpoint/megatron/folder_reader.h"
#include "plugins/checkpoint/megatron/folder_writer.h"

namespace {
using namespace corral;

class Megatron final : public Checkpoint<options::megatron::Options> {
  Probe probe(const std::string& path) override { return megatron::probe_folder(path); }
  std::unique_ptr<CheckpointReader> open(const std::string& path) override { return std::make_unique<megatron::FolderReader>(path); }
  std::unique_ptr<CheckpointWriter> create(const std::string& path, const CheckpointWriteRequest& request) override {
    return std::make_unique<megatron::FolderWriter>(path, request);
  }
};
}  // namespace

CORRAL_PLUGIN(Megatron)
