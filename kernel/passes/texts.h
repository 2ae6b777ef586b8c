// How many texts a sequence contains, told to the operations that can make use of it.
#pragma once

#include "corral/graph.h"

namespace corral::passes {

// The attribute `texts` of every node and part of a body whose operation has it: the most texts that a sequence of the data contains, 1
// where each token position sees all before it. 0, not known: the graph as it is.
Graph tell_texts(Graph g, int64_t texts);

}  // namespace corral::passes
