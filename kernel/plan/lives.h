// The lives of tensors over the actions of a schedule: when each is live.
#pragma once

#include <array>
#include <vector>

#include "kernel/plan/actions.h"

namespace corral::plan {

// A vector clock: by stream, a number of its operations from the begin.
using Clock = std::array<uint32_t, kMostStreams>;

// The time from a tensor's first use to its last. Between streams only a wait orders two uses.
struct Life {
  Clock after;  // operations that are done before every use
  Clock until;  // operations that include every use

  // True if every use of this life is done before any use of `next` begins.
  bool precedes(const Life& next) const {
    for (size_t s = 0; s < kMostStreams; ++s)
      if (until[s] > next.after[s]) return false;
    return true;
  }
  bool meets(const Life& other) const { return !precedes(other) && !other.precedes(*this); }
  void include(const Life& other);
};

// Lives of each tensor in each slot, in order, at [slot * tensors + tensor]. A life begins when a node overwrites the tensor. Inputs and
// outputs of the graph are live throughout. A shared tensor is live in slot 0 only.
std::vector<std::vector<Life>> lives_of(const Graph& g, const Schedule& schedule);

}  // namespace corral::plan
