// The small torch.save files beside the tensors: common.pt, train_state.pt.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "plugins/checkpoint/megatron/pickle.h"

namespace corral::megatron {

// The globals that a common state may name. It may contain the arguments of a whole program; their objects are read as data and ignored.
bool allowed_in_common_state(std::string_view module, std::string_view name);
// The dict of a common state. The object `common_state` wraps it in a list of one element.
const Node& common_state(const Pickle& pickle);

struct CommonState {
  uint64_t iteration = 0, consumed_samples = 0;
  std::string optimizer;  // its settings, a JSON object with Corral's names; "" if the folder has no optimizer state
};
// The bytes of data.pkl; `in_list` as for the object `common_state`.
std::string common_state_pickle(const CommonState& state, bool in_list);
// The bytes of common.pt.
std::string common_pt(const CommonState& state);
// The bytes of Megatron Bridge's train_state.pt.
std::string train_state_pt(uint64_t iteration, uint64_t consumed_samples);

}  // namespace corral::megatron
