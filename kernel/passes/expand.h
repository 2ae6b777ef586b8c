// Puts what a node consists of in its place.
#pragma once

#include <functional>
#include <initializer_list>
#include <string_view>

#include "corral/graph.h"

namespace corral::passes {

// Each node that has a body and that `chosen` takes becomes the nodes of its body.
Graph expand(Graph g, const std::function<bool(const Graph&, const Node&)>& chosen);

// Those whose body holds one of these operations, for passes that look for them.
Graph expand_around(Graph g, std::initializer_list<std::string_view> ops);

}  // namespace corral::passes
