// Tells operations how many texts a sequence contains, if they can use it.
#pragma once

#include "corral/graph.h"

namespace corral::passes {

// Sets the attribute `texts` of every node, and part of a body, whose operation has it: the most texts that a sequence of the data
// contains. 1 means that each token position sees all earlier ones. 0 (unknown) changes nothing.
Graph tell_texts(Graph g, int64_t texts);

}  // namespace corral::passes
