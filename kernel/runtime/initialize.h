// Random initial parameters. They depend on the seed only, not on the layout.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "kernel/runtime/session.h"

namespace corral::runtime {

// The initial values of elements from ... from + to.size() - 1 of a state.
void initial_values(const State& state, std::string_view name, uint64_t seed, uint64_t from, std::vector<float>& to);

// Fills the parameters of the first graph as their states say, and the masters with the same values before rounding. If `names` is given,
// only these parameters are filled.
void initialize_parameters(Session& session, uint64_t seed, const std::unordered_set<std::string>* names = nullptr);

}  // namespace corral::runtime
