// The head of a safetensors file: 8 bytes with the length of a JSON object, the object, then the tensors' bytes without a gap.
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
  std::vector<StoredTensor> tensors;  // by their place in the file
  uint64_t data_start = 0;            // byte of the file where the tensors begin
};

constexpr uint64_t kLargestHeader = 100'000'000;  // as safetensors's own reader

// The length that the first 8 bytes state, checked against the file's size.
uint64_t header_length(std::string_view first_bytes, uint64_t file_size, const std::string& file);
// Checks everything that a header can state wrongly. `file` is for messages; throws Error (2).
SafetensorsHeader parse_header(std::string_view json, uint64_t file_size, const std::string& file);

// Places the tensors as safetensors's own writer does, and gives the head of the file, padded to 8 bytes.
std::string make_header(SafetensorsHeader& header);

}  // namespace corral::safetensors
