// Writes a folder that Megatron Core, Megatron Bridge and torch.distributed.checkpoint load.
#pragma once

#include <atomic>
#include <deque>
#include <memory>

#include "corral/checkpoint.h"
#include "plugins/checkpoint/megatron/metadata.h"
#include "plugins/checkpoint/megatron/zip.h"

namespace corral::megatron {

// Optimizer tensors get the names of the fully reshardable form. An F32 weight with moments is its own master and is written a second time
// under the master's name, because Megatron's optimizer asks for it. A tensor of no bytes with "/shard_" in its name becomes an object
// that a module asks for: a list of one empty tensor.
class FolderWriter final : public CheckpointWriter {
 public:
  // Assigns all offsets, creates the files and reserves their bytes.
  explicit FolderWriter(const CheckpointWriteRequest& request);
  void write(uint64_t tensor, uint64_t offset, const void* data, uint64_t size) override;
  void finish() override;

 private:
  // One archive: the record of a tensor's bytes and the small records that describe it.
  struct Archive {
    Item item;
    ZipLayout layout;
    std::vector<std::pair<size_t, std::string>> small;  // records with known content
    size_t data = 0;                                    // the record of the tensor's bytes
    std::atomic<uint64_t> written{0};
    std::atomic<uint32_t> crc{0};
  };
  struct Tensor {
    uint64_t piece = 0, bytes = 0;  // size of every piece but the last; size of the tensor
    std::vector<Archive*> archives;
    size_t twice = 0;  // index of the master that is written with the same bytes; 0: none
  };
  void place(const TensorInfo& tensor);
  void place_masters(const std::vector<TensorInfo>& tensors);
  void place_object(const std::string& name, std::string pickle, bool with_storage);
  Archive& add_archive(std::string pickle, uint64_t bytes, bool with_storage);
  void write_model_files(const CheckpointWriteRequest& request);

  std::string folder_;
  uint64_t largest_file_;
  Metadata metadata_;
  std::deque<Archive> archives_;
  std::vector<Tensor> tensors_;
  std::vector<uint64_t> file_sizes_;
  std::vector<std::unique_ptr<safetensors::File>> files_;
};

// Moves the finished index to its place: from then on the folder is a checkpoint.
void commit_folder(const std::string& folder);

}  // namespace corral::megatron
