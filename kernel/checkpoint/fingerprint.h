// What a model's tensors are, in a few bytes each: what was trained beside a model fits that model only.
#pragma once

#include <string>

#include "kernel/checkpoint/tensor_io.h"

namespace corral::checkpoint {

inline constexpr char kFingerprintName[] = "base_fingerprint.json";

// The content of the file: where the model was, and the XXH3-128 of type, shape and bytes of each of its tensors. Reads every tensor.
std::string fingerprint(const std::string& path, TensorSource& tensors);

// Throws Error (2) with the first tensor that differs, how many do, and where the other model was. `adapter` and `path` are for messages.
void check_fingerprint(const std::string& content, TensorSource& tensors, const std::string& adapter, const std::string& path);

}  // namespace corral::checkpoint
