// Runs a weight map (plugin.proto) in both directions: external tensors of a checkpoint to the parameters of a model and back, in constant
// memory.
//
// An entry pairs two strided views of equal sizes. FILL: the external view holds a value and no parameter does. COPY: the external view
// equals what a PAIR with the same parameter view stores; an external tensor made only of copies is not written, and is compared where a
// file has it. REPEAT: the same, but written, and read only where both are equal.
#pragma once

#include <unordered_set>

#include "kernel/checkpoint/tensor_io.h"

namespace corral::checkpoint {

constexpr uint64_t kBufferBytes = 2 << 20;  // a thread; stays in the cache between reading and writing

// Throws Error (4) naming the tensor unless every element of every external tensor and of every parameter is covered exactly once.
void check_weight_map(const WeightMap& map, const std::vector<TensorInfo>& parameters);

// Throws Error (2) unless these tensors of a checkpoint are what the map reads: one missing, of another shape, or known to no entry.
void check_externals(const WeightMap& map, const std::vector<TensorInfo>& externals);

// The parameters with the element types of the external tensors they are made of. Throws Error (2) where these differ.
std::vector<TensorInfo> stored_types(const WeightMap& map, const std::vector<TensorInfo>& externals, std::vector<TensorInfo> parameters);

// Names of all parameters that the map speaks of.
std::unordered_set<std::string> parameters_in(const WeightMap& map);

// The external tensors that an export writes, each with the element type of its parameters.
std::vector<TensorInfo> written_externals(const WeightMap& map, const std::vector<TensorInfo>& parameters);

// Throws Error (2) unless every copy that the checkpoint has equals what it is a copy of; read_parameters does it too.
void check_copies(const WeightMap& map, TensorSource& externals, uint64_t buffer_bytes = kBufferBytes);

// Element types may differ on both sides, among F32, BF16 and F16; equal ones keep every bit. The checks above come first.
void read_parameters(const WeightMap& map, TensorSource& externals, TensorSink& parameters, uint64_t buffer_bytes = kBufferBytes);
void write_externals(const WeightMap& map, TensorSource& parameters, TensorSink& externals, uint64_t buffer_bytes = kBufferBytes);

}  // namespace corral::checkpoint
