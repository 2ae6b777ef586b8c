// Checkpoints as folders of Megatron Core's torch_dist format.
#include "options.wire.h"
#include "plugins/checkpoint/megatron/folder_reader.h"
#include "plugins/checkpoint/megatron/folder_writer.h"

namespace {
using namespace corral;

class Megatron final : public Checkpoint<options::megatron::Options> {
  Probe probe(const std::string& path) override { return megatron::probe_folder(path); }
  std::unique_ptr<CheckpointReader> open(const Options&, const CheckpointOpenRequest& request) override {
    return std::make_unique<megatron::FolderReader>(request.path);
  }
  std::unique_ptr<CheckpointWriter> create(const Options&, const CheckpointWriteRequest& request) override {
    if (request.parts > 1) throw Unsupported(format("checkpoint/megatron writes in one part, not in {}", request.parts));
    return std::make_unique<megatron::FolderWriter>(request);
  }
  void commit(const Options&, const CheckpointWriteRequest& request) override { megatron::commit_folder(request.path); }
};
}  // namespace

CORRAL_PLUGIN(Megatron)
