// The small files of torch.save beside the tensors.
#pragma once

#include <cstdint>
#include <string>

namespace corral::megatron {

// data.pkl of the dict that Megatron calls the common state; an object of the distributed part is a list of one.
std::string common_state_pickle(uint64_t iteration, bool in_list);
// common.pt
std::string common_pt(uint64_t iteration);
// train_state.pt of Megatron Bridge.
std::string train_state_pt(uint64_t iteration, uint64_t consumed_samples);

}  // namespace corral::megatron
