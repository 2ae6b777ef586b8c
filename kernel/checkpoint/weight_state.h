// State that stands beside weights, an element for each of theirs: moments, masters. A weight map that tells how a checkpoint's tensors
// make the parameters tells the same of it, so that a format can keep it under the names and in the cut of its own weights.
#pragma once

#include "kernel/checkpoint/tensor_io.h"
#include "kernel/plugin/checkpoint.h"

namespace corral::checkpoint {

// What is one thing to each of some parameters ("exp_avg"), under the names of these.
struct WeightState {
  std::string role;
  TensorSource* tensors = nullptr;
};

// Whether the tensors that hold these parameters hold no others: a stack of layers of which some are trained cannot be kept by itself.
bool stand_alone(const WeightMap& map, const std::vector<TensorInfo>& parameters);

// The tensors that a checkpoint gets for it beside those of the map.
std::vector<TensorInfo> written_states(const WeightMap& map, const WeightState& state);
// Writes them; they have the numbers from `first` on in the writer's request.
void write_states(const WeightMap& map, const WeightState& state, const CheckpointWriterHandle& writer, std::vector<TensorInfo> tensors,
                  size_t first);

// The roles that a checkpoint's tensors have.
std::vector<std::string> roles_in(const std::vector<TensorInfo>& tensors);
// Reads what has this role into the sink, whose tensors have the names of their parameters. Throws Error (2) naming the tensor unless there
// is one of the weight's shape beside each weight that these are made of, and none beside anything else.
void read_states(const CheckpointReaderHandle& reader, const WeightMap& map, const std::string& role, TensorSink& sink);

}  // namespace corral::checkpoint
