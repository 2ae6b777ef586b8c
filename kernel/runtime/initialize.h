// Random parameters, the same for the same seed whatever the layout.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "kernel/runtime/session.h"

namespace corral::runtime {

// The initial values of elements from ... from + to.size() - 1 of a state.
void initial_values(const State& state, std::string_view name, uint64_t seed, uint64_t from, std::vector<float>& to);

// Fills the parameters of the first graph as their states say, and masters with the same values unrounded; only those that `names` has,
// where it is given.
void initialize_parameters(Session& session, uint64_t seed, const std::unordered_set<std::string>* names = nullptr);

}  // namespace corral::runtime
