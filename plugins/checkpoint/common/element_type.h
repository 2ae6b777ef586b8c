// The element types of safetensors files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "graph.wire.h"

namespace corral::safetensors {

struct ElementType {
  const char* name;  // as the file spells it
  DType dtype;
  uint32_t bits;
};

// In the order by which safetensors's own writer sorts the tensors of a file, the last first.
const std::vector<ElementType>& element_types();
// Null where the name is not known.
const ElementType* element_type(std::string_view name);
// Throws Error where a file cannot hold the type.
const ElementType& element_type(DType dtype, const std::string& tensor);

// Bytes of a tensor; false where a size is negative, the product overflows, or the bits fill no whole byte.
bool byte_size(const ElementType& type, const std::vector<int64_t>& shape, uint64_t& bytes);

// A name from a file as a message shows it: controls escaped, cut off after 120 bytes.
std::string in_quotes(std::string_view name);

}  // namespace corral::safetensors
