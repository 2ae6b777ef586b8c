// Runs a weight map (plugin.proto) in both directions: from a checkpoint's external tensors to a model's parameters and back, in constant
// memory.
//
// An entry pairs two strided views of equal sizes. FILL: the external view contains a constant and belongs to no parameter. COPY: the
// external view equals that of the PAIR with the same parameter view. An external tensor made only of copies is not written; it is compared
// if a file has it. REPEAT: like COPY, but written, and read only if both are equal.
#pragma once

#include <unordered_set>

#include "kernel/checkpoint/tensor_io.h"

namespace corral::checkpoint {

constexpr uint64_t kBufferBytes = 2 << 20;  // per thread; stays in the cache between reading and writing

// Throws Error (4) naming the tensor unless every element of every external tensor and of every parameter is covered exactly once.
void check_weight_map(const WeightMap& map, const std::vector<TensorInfo>& parameters);

// Throws Error (2) if a checkpoint's tensors do not match the map: one is missing, has another shape, or is not named by any entry.
void check_externals(const WeightMap& map, const std::vector<TensorInfo>& externals);

// The parameters with the element types of their external tensors. Throws Error (2) if one parameter's external tensors differ in type.
std::vector<TensorInfo> stored_types(const WeightMap& map, const std::vector<TensorInfo>& externals, std::vector<TensorInfo> parameters);

// Names of all parameters in the map.
std::unordered_set<std::string> parameters_in(const WeightMap& map);

// The external tensors that an export writes, each with the element type of its parameters.
std::vector<TensorInfo> written_externals(const WeightMap& map, const std::vector<TensorInfo>& parameters);

// Throws Error (2) unless every copy in the checkpoint equals its original. read_parameters checks this too.
void check_copies(const WeightMap& map, TensorSource& externals, uint64_t buffer_bytes = kBufferBytes);

// Reads the parameters from the external tensors; call the checks above first. Element types may differ among F32, BF16 and F16; equal
// types keep every bit.
void read_parameters(const WeightMap& map, TensorSource& externals, TensorSink& parameters, uint64_t buffer_bytes = kBufferBytes);
// Writes the external tensors from the parameters, with the same rules.
void write_externals(const WeightMap& map, TensorSource& parameters, TensorSink& externals, uint64_t buffer_bytes = kBufferBytes);

}  // namespace corral::checkpoint
