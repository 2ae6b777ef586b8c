// `.metadata` of a torch_dist folder: the tensors, their pieces, and the file offset of each piece.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/checkpoint/megatron/torch_type.h"

namespace corral::megatron {

// One archive inside a file.
struct Item {
  uint32_t file = 0;  // index into Metadata.files
  uint64_t offset = 0, length = 0;
};

// A box of a tensor, stored in one piece.
struct Chunk {
  std::vector<int64_t> offsets, sizes;
  Item item;
};

struct DistTensor {
  std::string name;
  const TorchType* type = nullptr;
  std::vector<int64_t> shape;
  std::vector<Chunk> chunks;  // disjoint; together they are the tensor
};

struct ByteObject {
  std::string name;
  Item item;
};

struct Metadata {
  std::vector<DistTensor> tensors;
  std::vector<ByteObject> objects;
  std::vector<std::string> files;
};

// Throws Error (2), beginning with `where`, if the bytes name a global that such a file does not need or contradict themselves.
Metadata read_metadata(std::string_view bytes, const std::string& where);
std::string write_metadata(const Metadata& metadata);

}  // namespace corral::megatron
