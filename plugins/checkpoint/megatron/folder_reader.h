// Reads a folder of Megatron Core's distributed checkpoints ("torch_dist"), whatever its layout and number of files.
#pragma once

#include <deque>
#include <memory>

#include "corral/checkpoint.h"
#include "plugins/checkpoint/megatron/chunk_reader.h"

namespace corral::megatron {

// `path` is the folder of one iteration, or its parent, whose tracker file names the newest iteration.
Probe probe_folder(const std::string& path);

class FolderReader final : public CheckpointReader {
 public:
  // Opens every item. Throws Error (2) naming the wrong file and tensor.
  explicit FolderReader(const std::string& path);
  TensorList list() override { return list_; }
  CheckpointInfo info() override;
  void read(uint64_t tensor, uint64_t offset, void* to, uint64_t size) override;

 private:
  void open_files();
  void check_items() const;
  void read_elements(uint64_t tensor, int64_t first, int64_t last, char* to) const;
  std::string object(const std::string& prefix) const;
  // The bytes of data.pkl of the common state ("" if there is none), and its location for messages.
  std::pair<std::string, std::string> common_state() const;
  std::string made_by(const CheckpointInfo& info) const;

  struct Pieces {
    std::vector<std::unique_ptr<ChunkReader>> chunks;  // sorted by their offset along the first axis
    int64_t longest = 0;                               // largest size of a piece along the first axis
    std::vector<int64_t> strides;                      // of the tensor in row-major order, in elements
  };

  std::string folder_;
  Metadata metadata_;
  std::deque<safetensors::File> files_;
  std::vector<Pieces> pieces_;
  TensorList list_;
};

}  // namespace corral::megatron
