// Makes small random graphs to test passes on, of every shape that a model's graph may have. Equal seeds give equal graphs.
#pragma once

#include <random>

#include "corral/graph.h"

namespace corral::validate {

// The forward pass of a random small transformer: layers, widths, tied or own head, frozen parameters and dropout are random.
Graph random_forward(std::mt19937_64& random);
// The same with its backward pass.
Graph random_differentiated(std::mt19937_64& random);

// The same with the sums that a step reports, as an optimizer gets it.
Graph random_training(std::mt19937_64& random);

// Adds parts that a newer Corral might write: a node, and a field in every message.
void add_unknown(Graph& g);
// Describes the unknown parts that are missing or changed, or "".
std::string unknown_lost(const Graph& g);
// Removes the unknown parts, so that the graph can be verified.
Graph without_unknown(Graph g);

}  // namespace corral::validate
