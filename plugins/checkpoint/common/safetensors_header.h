// The header of a safetensors file: 8 bytes with the length of a JSON object, then the object. The tensors' bytes follow without gaps.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plugins/checkpoint/common/element_type.h"

namespace corral::safetensors {

struct StoredTensor {
  std::string name;
  const ElementType* type = nullptr;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // bytes after the header
};

struct SafetensorsHeader {
  std::vector<StoredTensor> tensors;  // sorted by offset
  uint64_t data_start = 0;            // file offset of the first tensor
};

constexpr uint64_t kLargestHeader = 100'000'000;  // the limit of safetensors's own reader

// Reads the length from the first 8 bytes and checks it against the file's size.
uint64_t header_length(std::string_view first_bytes, uint64_t file_size, const std::string& file);
// Checks everything that a header states. `file` is for messages; throws Error (2).
SafetensorsHeader parse_header(std::string_view json, uint64_t file_size, const std::string& file);

// Assigns offsets in the order of safetensors's own writer and returns the header, padded to 8 bytes.
std::string make_header(SafetensorsHeader& header);

}  // namespace corral::safetensors
