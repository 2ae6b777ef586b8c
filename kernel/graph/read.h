// The graph that a text describes, in the form that `print` writes.
#pragma once

#include <string_view>

#include "corral/graph.h"

namespace corral::graph {

// A text is made of lines, in any order but that of nodes, inputs, states and outputs:
//     list   $1 = (1.0 0.5 0.25)
//     input  x: %1 x f32[2 3]
//     state  %2 layers.0.weight bf16[4 3] parameter trained saved
//     forward layers.0
//         %4 y f32[2 4] = product(%1, %2 layers.0.weight) role=fprop
//     output y: %4
//     tensor %5 unused f32[1]
//     # a comment
// A tensor has its type once, in any of these lines; `~` behind it marks an activation. Where it is named again its name may be left out.
// `-` is an absent operand, `+` before an output adds to it, a node below `|` is a part of the body of the node above it. A number with a
// point or an exponent is a number, one without is an integer. Throws Error, which says the line and the expected word. Not verified:
// `verify` says whether the graph can run.
Graph read(std::string_view text);

}  // namespace corral::graph
