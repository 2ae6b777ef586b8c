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

// In the reverse of the order by which safetensors's own writer sorts the tensors of a file.
const std::vector<ElementType>& element_types();
// Null if no type has this name.
const ElementType* element_type(std::string_view name);
// Throws Error if a safetensors file cannot store the type.
const ElementType& element_type(DType dtype, const std::string& tensor);

// Computes the bytes of a tensor. Returns false if a size is negative, the product overflows or the bits are not whole bytes.
bool byte_size(const ElementType& type, const std::vector<int64_t>& shape, uint64_t& bytes);

// Quotes a name from a file for a message: control characters are escaped, and the name is cut after 120 bytes.
std::string in_quotes(std::string_view name);

}  // namespace corral::safetensors
