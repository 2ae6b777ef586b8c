// A graph as text, which `read` reads back: --dump-graph, and the files of the passes' tests.
#pragma once

#include <ostream>
#include <string>

#include "corral/graph.h"

namespace corral::graph {

// The numbers of names, and fields that this Corral does not know, are not printed.
void print(const Graph& g, std::ostream& out);
std::string text_of(const Graph& g);

const char* dtype_name(DType dtype);
std::string shape_text(const Shape& shape);

}  // namespace corral::graph
