// The inputs of a graph that have an element for each token of the batch.
#pragma once

#include <algorithm>
#include <iterator>

#include "corral/graph.h"
#include "corral/parallel.h"

namespace corral {

// Cuts every input [batch, sequence] along an axis: 0 the sequences, 1 their tokens.
inline Placement cut_batch(const Graph& g, const char* dimension, uint32_t axis, bool zigzag) {
  static constexpr const char* kOfTokens[] = {"tokens", "targets", "positions", "first_key", "last_key", "token_index", "weights"};
  Placement placement;
  for (const Port& p : g.inputs) {
    const std::string& name = g.names[p.name];
    if (std::find(std::begin(kOfTokens), std::end(kOfTokens), name) == std::end(kOfTokens) || g.tensors[p.tensor].shape.size() != 2)
      continue;
    placement.cuts.emplace_back();
    TensorCut& cut = placement.cuts.back();
    cut.tensor = p.tensor;
    cut.dimension = dimension;
    cut.axis = axis;
    cut.zigzag = zigzag;
  }
  return placement;
}

}  // namespace corral
