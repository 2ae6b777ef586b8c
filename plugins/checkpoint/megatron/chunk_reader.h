// Reads boxes of one stored piece of a tensor, and compares its checksum when every byte has been read.
#pragma once

#include <atomic>
#include <memory>

#include "plugins/checkpoint/megatron/boxes.h"
#include "plugins/checkpoint/megatron/metadata.h"
#include "plugins/checkpoint/megatron/torch_tensor.h"

namespace corral::megatron {

class ChunkReader {
 public:
  // Opens the item and compares it with the metadata of the piece. `file` must outlive this.
  ChunkReader(const safetensors::File& file, const Chunk& chunk, const TorchType& type, const std::string& where);

  const std::vector<int64_t>& begin() const { return begin_; }
  const std::vector<int64_t>& sizes() const { return tensor_.sizes; }
  // Copies a box of the whole tensor; the box must be inside this piece. `to` receives the box's first element, and `strides` are the
  // target's, in elements. Any thread.
  void read(const Box& box, char* to, const std::vector<int64_t>& strides) const;

 private:
  struct Axis {
    int64_t size, from, to;
  };
  void copy(std::vector<Axis> axes, uint64_t from, char* to) const;
  void fetch(uint64_t from, void* to, uint64_t size) const;

  const safetensors::File& file_;
  uint64_t storage_ = 0;  // its file offset
  std::vector<int64_t> begin_;
  TorchTensor tensor_;
  std::string where_;
  // Bytes read and their combined checksum, in any order. The checksum equals the record's when each byte was read once.
  mutable std::atomic<uint64_t> read_{0};
  mutable std::atomic<uint32_t> crc_{0};
};

}  // namespace corral::megatron
