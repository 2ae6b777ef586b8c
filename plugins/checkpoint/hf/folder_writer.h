// Writes a Hugging Face folder (kind "model"), a peft folder (kind "adapter") or safetensors files named by the tensors (kind "state").
#pragma once

#include "corral/checkpoint.h"
#include "plugins/checkpoint/common/safetensors.h"

namespace corral::safetensors {

class FolderWriter final : public CheckpointWriter {
 public:
  // All parts write to the same files, each its own bytes.
  explicit FolderWriter(const CheckpointWriteRequest& request);
  void write(uint64_t tensor, uint64_t offset, const void* data, uint64_t size) override;
  void finish() override;

 private:
  struct Place {
    size_t file, tensor;
  };
  std::vector<Place> places_;  // one per tensor of the request
  std::vector<std::unique_ptr<SafetensorsWriter>> files_;
};

// Writes the headers of files whose parts have all finished, and the index if there are several files.
void commit_folder(const CheckpointWriteRequest& request);

}  // namespace corral::safetensors
