// Optimizer state with an element for each element of the weights: moments, masters. The weight map that turns a checkpoint's tensors into
// parameters applies to it too, so a format can store it under the names and shapes of its own weights.
#pragma once

#include "kernel/checkpoint/tensor_io.h"
#include "kernel/plugin/checkpoint.h"

namespace corral::checkpoint {

// One optimizer quantity (`role`, such as "exp_avg") for some parameters; its tensors bear the parameters' names.
struct WeightState {
  std::string role;
  TensorSource* tensors = nullptr;
};

// True if no checkpoint tensor mixes these parameters with others. A stacked tensor with untrained layers does.
bool stand_alone(const WeightMap& map, const std::vector<TensorInfo>& parameters);

// The tensors that a checkpoint stores for an optimizer state, in addition to those of the map.
std::vector<TensorInfo> written_states(const WeightMap& map, const WeightState& state);
// Writes the tensors of an optimizer state. In the writer's request they are numbered from `first` on.
void write_states(const WeightMap& map, const WeightState& state, const CheckpointWriterHandle& writer, std::vector<TensorInfo> tensors,
                  size_t first);

// The roles of the optimizer states among a checkpoint's tensors.
std::vector<std::string> roles_in(const std::vector<TensorInfo>& tensors);
// Reads the optimizer state of a role into the sink, whose tensors bear the parameters' names. Throws Error (2) naming the tensor unless
// each external tensor of these parameters has exactly one state tensor, of its shape, and no other tensor has one.
void read_states(const CheckpointReaderHandle& reader, const WeightMap& map, const std::string& role, TensorSink& sink);

}  // namespace corral::checkpoint
