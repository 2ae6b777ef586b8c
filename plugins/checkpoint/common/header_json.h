// The JSON object of a safetensors header.
#pragma once

#include "plugins/checkpoint/common/safetensors_header.h"

namespace corral::safetensors {

// Tensors in the order of the text. Offsets are not checked here. Throws Error (2).
std::vector<StoredTensor> parse_header_json(std::string_view json, const std::string& file);

}  // namespace corral::safetensors
