// For tests: the numbers of a whole graph against those of the ranks that it is cut into, all in float64.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "kernel/graph/interpreter.h"
#include "kernel/graph/rank_interpreter.h"
#include "kernel/partition/layout.h"

namespace corral {

// Random values that the operations take: numbers of tokens, positions and keys where a tensor is of integers.
inline std::vector<double> values_of(const Graph& g, TensorId t, std::mt19937_64& random) {
  const std::string& name = name_of(g, t);
  std::vector<double> values(static_cast<size_t>(elements(g.tensors[t].shape)));
  for (size_t i = 0; i < values.size(); ++i) {
    const double position = static_cast<double>(i % static_cast<size_t>(g.tensors[t].shape.back()));
    if (name == "tokens" || name == "targets")
      values[i] = static_cast<double>(random() % 3);
    else if (name == "step" || name == "lr")
      values[i] = name == "lr" ? 0.01 : 1;
    else if (name == "positions")
      values[i] = position;
    else if (g.tensors[t].dtype == DType::I32)
      values[i] = name == "last_key" ? position : 0;
    else
      values[i] = std::uniform_real_distribution<double>(-0.5, 0.5)(random);
  }
  return values;
}

// The numbers of a rank's tensor; of a partial sum the sum over the ranks that owe it.
inline std::vector<double> completed(const std::vector<Graph>& ranks, graph::RankInterpreter& many, const graph::Mesh& mesh, size_t rank,
                                     TensorId t) {
  std::vector<size_t> owing{rank};
  for (const Owed& o : ranks[rank].tensors[t].layout.owes) {
    std::vector<size_t> all;
    for (const size_t r : owing)
      for (const size_t other : mesh.group(r, ranks[rank].names[o.mesh])) all.push_back(other);
    owing = std::move(all);
  }
  std::vector<double> sum(many[rank][t].size());
  for (const size_t r : owing)
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += many[r][t][i];
  return sum;
}

// The largest difference of the losses and gradients, relative to the largest number of each.
inline double distance(const Graph& whole, const std::vector<Graph>& ranks, uint64_t seed, const graph::Mesh& mesh,
                       const std::function<void(graph::RankInterpreter&)>& set_more = {}) {
  graph::Interpreter one(whole);
  graph::RankInterpreter many(ranks, mesh);
  std::mt19937_64 random(seed);
  const auto set = [&](TensorId in_whole) {
    one[in_whole] = values_of(whole, in_whole, random);
    for (size_t rank = 0; rank < ranks.size(); ++rank)
      for (TensorId t = 1; t < ranks[rank].tensors.size(); ++t)
        if (name_of(ranks[rank], t) == name_of(whole, in_whole))
          many[rank][t] = partition::part_of(ranks[rank], t, mesh, rank, one[in_whole]);
  };
  for (const Port& p : whole.inputs) set(p.tensor);
  for (const State& s : whole.states)
    if (s.kind == StateKind::PARAMETER) set(s.tensor);
  if (set_more) set_more(many);
  one.run_all();
  many.run_all();
  double largest = 0;
  const auto compare = [&](TensorId in_whole, size_t rank, TensorId t) {
    std::vector<double> expected;
    for (const size_t place : partition::places(ranks[rank], t, mesh, rank)) expected.push_back(one[in_whole][place]);
    const std::vector<double> ours = completed(ranks, many, mesh, rank, t);
    double scale = 1e-300;
    for (const double v : one[in_whole]) scale = std::max(scale, std::fabs(v));
    for (size_t i = 0; i < expected.size(); ++i) {
      const double apart = std::fabs(ours[i] - expected[i]) / scale;
      largest = std::isnan(apart) ? HUGE_VAL : std::max(largest, apart);
    }
  };
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    for (size_t i = 0; i < whole.states.size(); ++i) compare(whole.states[i].tensor, rank, ranks[rank].states[i].tensor);
    for (size_t i = 0; i < whole.outputs.size(); ++i) compare(whole.outputs[i].tensor, rank, ranks[rank].outputs[i].tensor);
  }
  return largest;
}

}  // namespace corral
