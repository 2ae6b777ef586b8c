// When each tensor needs its memory, over the actions of a schedule.
#pragma once

#include <array>
#include <vector>

#include "kernel/plan/actions.h"

namespace corral::plan {

// By stream: how many of its first operations.
using Clock = std::array<uint32_t, kMostStreams>;

// From a tensor's first use to its last. On several streams only a wait tells what is before what.
struct Life {
  Clock after;  // operations that are done before every use
  Clock until;  // operations that include every use

  // Is every use of this one done before any of the next begins?
  bool precedes(const Life& next) const {
    for (size_t s = 0; s < kMostStreams; ++s)
      if (until[s] > next.after[s]) return false;
    return true;
  }
  bool meets(const Life& other) const { return !precedes(other) && !other.precedes(*this); }
  void include(const Life& other);
};

// Lives of each tensor in each slot, in order: [slot * tensors + tensor]. A life begins where the tensor's first node writes it anew.
// Inputs and outputs of the graph live throughout; what slots share lives in slot 0.
std::vector<std::vector<Life>> lives_of(const Graph& g, const Schedule& schedule);

}  // namespace corral::plan
