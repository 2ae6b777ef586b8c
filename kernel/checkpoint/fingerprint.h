// A fingerprint of a model's tensors, a few bytes for each: an adapter fits only the model beside which it was trained.
#pragma once

#include <string>

#include "kernel/checkpoint/tensor_io.h"

namespace corral::checkpoint {

inline constexpr char kFingerprintName[] = "base_fingerprint.json";

// The content of the fingerprint file: the model's path, and the XXH3-128 of type, shape and bytes of each tensor. Reads every tensor.
std::string fingerprint(const std::string& path, TensorSource& tensors);

// Compares the tensors with a fingerprint. Throws Error (2) naming the first tensor that differs, the number of such tensors, and the path
// of the other model. `adapter` and `path` are for messages.
void check_fingerprint(const std::string& content, TensorSource& tensors, const std::string& adapter, const std::string& path);

}  // namespace corral::checkpoint
