// How far the pipeline has brought a graph, and what a graph must be by then.
#pragma once

#include "corral/graph.h"

namespace corral::partition {

enum class Stage {
  kModel,           // forward only: what a model emits, with adapters
  kDifferentiated,  // each trained parameter has a gradient of its shape
  kUpdated,         // each trained parameter is written in the update phase
  kPartitioned,     // one rank's part: its layouts hold together
};

// `graph::verify`, and what the stage demands. No stage but the last has layouts and conversions. Throws Error naming stage and node or
// state.
void verify(const Graph& g, Stage stage);

}  // namespace corral::partition
