// A graph as text for people: --dump-graph.
#pragma once

#include <ostream>

#include "corral/graph.h"

namespace corral::graph {

void print(const Graph& g, std::ostream& out);

const char* dtype_name(DType dtype);
std::string shape_text(const Shape& shape);

}  // namespace corral::graph
