// Replaces nodes by their bodies.
#pragma once

#include <functional>
#include <initializer_list>
#include <string_view>

#include "corral/graph.h"

namespace corral::passes {

// Replaces each node that has a body, and that `chosen` accepts, by the nodes of its body.
Graph expand(Graph g, const std::function<bool(const Graph&, const Node&)>& chosen);

// The same for nodes whose body contains one of these operations, for passes that look for these.
Graph expand_around(Graph g, std::initializer_list<std::string_view> ops);

}  // namespace corral::passes
