#include "kernel/graph/uses.h"

#include <algorithm>

namespace corral::graph {

// A graph comes from a plugin: operands may name tensors that do not exist. These have no uses; nor has 0, the absent tensor.
Uses::Table::Table(const Graph& g, std::vector<TensorId> Node::*operands) : starts(g.tensors.size() + 2) {
  const auto exists = [&](TensorId t) { return t != 0 && t < g.tensors.size(); };
  for (const Node& n : g.nodes)
    for (const TensorId t : n.*operands)
      if (exists(t)) ++starts[t + 2];
  for (size_t t = 2; t < starts.size(); ++t) starts[t] += starts[t - 1];
  nodes.resize(starts.back());
  for (size_t i = 0; i < g.nodes.size(); ++i)
    for (const TensorId t : g.nodes[i].*operands)
      if (exists(t)) nodes[starts[t + 1]++] = static_cast<uint32_t>(i);
}

size_t Uses::last_writer(TensorId t, size_t end) const {
  const auto all = writers(t);
  const auto after = std::lower_bound(all.begin(), all.end(), end);
  return after == all.begin() ? kNone : *(after - 1);
}

size_t Uses::first(TensorId t) const {
  size_t node = kNone;
  for (const auto all : {writers(t), readers(t)})
    if (!all.empty()) node = std::min<size_t>(node, all.front());
  return node;
}

size_t Uses::last(TensorId t) const {
  size_t node = kNone;
  for (const auto all : {writers(t), readers(t)})
    if (!all.empty()) node = node == kNone ? all.back() : std::max<size_t>(node, all.back());
  return node;
}

}  // namespace corral::graph
