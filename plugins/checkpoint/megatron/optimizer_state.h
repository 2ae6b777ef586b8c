// Megatron's optimizer state in its fully reshardable form: one tensor of the weight's shape per quantity, and the number of updates in the
// common state.
#pragma once

#include <string>
#include <string_view>

#include "plugin.wire.h"

namespace corral::megatron {

// Corral's role of the fp32 copy of a weight.
inline constexpr std::string_view kMaster = "master";

// True if a tensor of this name belongs to an optimizer, in any form.
bool is_of_optimizer(std::string_view name);

// Sets role and weight of a tensor named optimizer.state.ROLE.WEIGHT; other names leave `tensor` unchanged.
void set_place_in_optimizer(TensorInfo& tensor);
// The inverse: the name for the tensor's role and weight.
std::string name_in_optimizer(const TensorInfo& tensor);

struct Updates {
  std::string steps;    // in digits; "" if unknown
  std::string refusal;  // the reason, for a message
};
// The number of updates behind the tensors, according to the common state (bytes of its data.pkl; "" for none). `iteration` is the one in
// the folder's name, or "".
Updates updates_of(const TensorList& tensors, std::string_view common_bytes, const std::string& where, const std::string& iteration);

}  // namespace corral::megatron
