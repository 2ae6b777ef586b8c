// The state of Megatron's optimizer where it is fully reshardable: a tensor of a weight's shape for each of its parts, and the number of
// updates in the common state.
#pragma once

#include <string>
#include <string_view>

#include "plugin.wire.h"

namespace corral::megatron {

// What Corral calls the fp32 copy of a weight.
inline constexpr std::string_view kMaster = "master";

// Whether a tensor of this name belongs to an optimizer, of any form.
bool is_of_optimizer(std::string_view name);

// optimizer.state.exp_avg.KEY stands beside the weight KEY: its place is set in `tensor`, where its name says one.
void set_place_in_optimizer(TensorInfo& tensor);
// The name of what has that place.
std::string name_in_optimizer(const TensorInfo& tensor);

struct Updates {
  std::string steps;    // in digits; "": none can be told
  std::string refusal;  // why, in words
};
// What the common state (its data.pkl, "" for none) says of the updates behind the tensors. `iteration` is that of the folder's
// name, "" where it has none.
Updates updates_of(const TensorList& tensors, std::string_view common_bytes, const std::string& where, const std::string& iteration);

}  // namespace corral::megatron
