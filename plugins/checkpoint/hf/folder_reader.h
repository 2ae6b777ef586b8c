// A Hugging Face folder: model.safetensors, or shards with their index, or an adapter, or (training state) any safetensors files; with its
// configuration, tokenizer and other files.
#pragma once

#include <deque>

#include "corral/checkpoint.h"
#include "plugins/checkpoint/common/safetensors.h"

namespace corral::safetensors {

Probe probe_folder(const std::string& path);

class FolderReader final : public CheckpointReader {
 public:
  // `path` is a folder or one .safetensors file. Throws Error (2) naming the wrong file and tensor.
  explicit FolderReader(const std::string& path);
  TensorList list() override;
  CheckpointInfo info() override;
  void read(uint64_t tensor, uint64_t offset, void* to, uint64_t size) override;

 private:
  struct Place {
    const SafetensorsReader* file;
    size_t tensor;
  };
  void open_sharded();
  void add(const std::string& file_name);

  std::string folder_, only_file_;
  std::deque<SafetensorsReader> files_;
  std::vector<std::string> file_names_;
  std::vector<Place> places_;
  TensorList list_;
};

}  // namespace corral::safetensors
