// The stages of a graph in the pipeline, and the demands of each.
#pragma once

#include "corral/graph.h"

namespace corral::partition {

enum class Stage {
  kModel,           // forward only: what a model emits, with adapters
  kDifferentiated,  // each trained parameter has a gradient of its shape
  kUpdated,         // each trained parameter is written in the update phase
  kPartitioned,     // one rank's part, with consistent layouts
};

// Checks `graph::verify` and the demands of the stage. Only the last stage has layouts and conversions. Throws Error naming stage and node
// or state.
void verify(const Graph& g, Stage stage);

}  // namespace corral::partition
