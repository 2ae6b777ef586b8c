// Graphs for passes to chew on: small, of every shape that a model's graph may have, the same for the same seed.
#pragma once

#include <random>

#include "corral/graph.h"

namespace corral::validate {

// The forward pass of a random small transformer: layers, widths, tied or own head, frozen parameters, dropout all by chance.
Graph random_forward(std::mt19937_64& random);
// The same with its backward pass.
Graph random_differentiated(std::mt19937_64& random);

// The same with the sums that a step reports, as an optimizer gets it.
Graph random_training(std::mt19937_64& random);

// Puts in what a newer Corral might: a node, a field in every message.
void add_unknown(Graph& g);
// What of that is missing or changed, or "".
std::string unknown_lost(const Graph& g);
// The graph without it, so that it can be verified.
Graph without_unknown(Graph g);

}  // namespace corral::validate
