// A partition without any judgement: each node is cut along an axis by chance, and conversions are put wherever operands do not fit.
#pragma once

#include <random>
#include <vector>

#include "corral/graph.h"

namespace corral {

// The graphs of `parts` ranks of the mesh dimension "m". Tensors keep their names; inputs of integers have one more for each cut in which a
// node reads them, of the same name.
std::vector<Graph> cut_at_random(const Graph& whole, uint32_t parts, std::mt19937_64& random);

}  // namespace corral
