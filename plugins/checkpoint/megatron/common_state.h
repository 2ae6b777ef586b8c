// The small files of torch.save beside the tensors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "plugins/checkpoint/megatron/pickle.h"

namespace corral::megatron {

// What a common state may name: it may hold the arguments of a whole program, and objects of these are data that nobody looks into.
bool allowed_in_common_state(std::string_view module, std::string_view name);
// The dict; an object of the distributed part is a list of one.
const Node& common_state(const Pickle& pickle);

struct CommonState {
  uint64_t iteration = 0, consumed_samples = 0;
  std::string optimizer;  // settings, a JSON object of Corral's names; "": the folder holds no state of an optimizer
};
// data.pkl of the dict.
std::string common_state_pickle(const CommonState& state, bool in_list);
// common.pt
std::string common_pt(const CommonState& state);
// train_state.pt of Megatron Bridge.
std::string train_state_pt(uint64_t iteration, uint64_t consumed_samples);

}  // namespace corral::megatron
