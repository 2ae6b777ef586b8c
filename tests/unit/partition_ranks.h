// For tests: graphs of many ranks beside the whole graph.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>

#include "kernel/graph/rank_interpreter.h"
#include "kernel/partition/layout.h"

namespace corral {

// Values of a tensor of the whole graph. They depend on its name only.
inline std::vector<double> values_of(const std::string& name, size_t size) {
  std::mt19937_64 random(std::hash<std::string>()(name));
  std::vector<double> values(size);
  for (double& v : values) v = std::uniform_real_distribution<double>(-1, 1)(random);
  return values;
}

inline TensorId find_tensor(const Graph& g, const std::string& name) {
  for (TensorId t = 1; t < g.tensors.size(); ++t)
    if (name_of(g, t) == name) return t;
  fail_bug("no tensor is named \"{}\"", name);
}

// Sets a tensor of the whole graph and each rank's part of it.
inline void set(const Graph& whole, graph::Interpreter& one, graph::RankInterpreter& many, const std::string& name,
                const std::vector<double>& values) {
  one[find_tensor(whole, name)] = values;
  for (size_t rank = 0; rank < many.ranks(); ++rank) {
    const Graph& g = many.graph(rank);
    const TensorId t = find_tensor(g, name);
    many[rank][t] = partition::part_of(g, t, many.mesh(), rank, values);
  }
}

// The distance of the ranks from the whole graph: the largest difference of an output or state that owes no reduction, relative to its
// largest number.
inline double distance(const Graph& whole, graph::Interpreter& one, graph::RankInterpreter& many) {
  double largest = 0;
  const auto compare = [&](TensorId in_whole) {
    const std::vector<double>& values = one[in_whole];
    double scale = 1e-300;
    for (const double v : values) scale = std::max(scale, std::fabs(v));
    for (size_t rank = 0; rank < many.ranks(); ++rank) {
      const Graph& g = many.graph(rank);
      const TensorId t = find_tensor(g, name_of(whole, in_whole));
      if (!g.tensors[t].layout.owes.empty()) continue;
      const std::vector<double> expected = partition::part_of(g, t, many.mesh(), rank, values), &ours = many[rank][t];
      for (size_t i = 0; i < expected.size(); ++i) {
        const double apart = std::fabs(ours.at(i) - expected[i]) / scale;
        largest = std::isnan(apart) ? HUGE_VAL : std::max(largest, apart);
      }
    }
  };
  for (const Port& p : whole.outputs) compare(p.tensor);
  for (const State& s : whole.states) compare(s.tensor);
  return largest;
}

}  // namespace corral
