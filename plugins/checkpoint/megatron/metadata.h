// `.metadata` of a torch_dist folder: which tensors there are, how they are cut, and where each piece lies.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/checkpoint/megatron/torch_type.h"

namespace corral::megatron {

// An item: one archive inside of a file.
struct Item {
  uint32_t file = 0;  // of Metadata.files
  uint64_t offset = 0, length = 0;
};

// A box of a tensor that is stored in one piece.
struct Chunk {
  std::vector<int64_t> offsets, sizes;
  Item item;
};

struct DistTensor {
  std::string name;
  const TorchType* type = nullptr;
  std::vector<int64_t> shape;
  std::vector<Chunk> chunks;  // disjoint, and all of the tensor
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

// Throws Error (2), beginning with `where`, where the bytes name anything but what such a file holds, or it cannot be true.
Metadata read_metadata(std::string_view bytes, const std::string& where);
std::string write_metadata(const Metadata& metadata);

}  // namespace corral::megatron
