#include "kernel/passes/recompute.h"

#include <algorithm>
#include <functional>
#include <unordered_map>
#include <unordered_set>

#include "corral/error.h"
#include "kernel/graph/op.h"

namespace corral::passes {
namespace {

// Number N of the scope layers.N, or -1.
int64_t layer_of(const std::string& scope) {
  constexpr std::string_view kPrefix = "layers.";
  if (!scope.starts_with(kPrefix)) return -1;
  int64_t n = 0;
  for (char c : std::string_view(scope).substr(kPrefix.size())) {
    if (c < '0' || c > '9' || n > 1000000) return -1;
    n = n * 10 + (c - '0');
  }
  return n;
}

class Recompute {
 public:
  Recompute(Graph& g, std::function<bool(const Node&)> repeats) : g_(g), repeats_(std::move(repeats)) {}

  void run() {
    Makers makers;
    std::unordered_set<TensorId> kept;
    for (const Port& p : g_.outputs) kept.insert(p.tensor);
    for (const State& s : g_.states) kept.insert(s.tensor);
    for (size_t i = 0; i < g_.nodes.size(); ++i)
      if (g_.nodes[i].phase == Phase::FORWARD && repeats_(g_.nodes[i]))
        for (TensorId t : g_.nodes[i].outputs)
          if (t && !kept.contains(t)) makers[t].push_back(i);

    std::vector<Node> result;
    result.reserve(g_.nodes.size() * 2);
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      Node n = g_.nodes[i];
      if (n.phase == Phase::BACKWARD)
        for (TensorId& t : n.inputs) t = again(t, makers, result);
      result.push_back(std::move(n));
    }
    g_.nodes = std::move(result);
  }

 private:
  // Forward nodes that make a tensor which is not kept: the first one writes it, others add to it.
  using Makers = std::unordered_map<TensorId, std::vector<size_t>>;

  // The tensor that holds the value of `t` in the backward phase; its makers are repeated before its first use there.
  TensorId again(TensorId t, const Makers& makers, std::vector<Node>& result) {
    const auto from = makers.find(t);
    if (from == makers.end()) return t;
    if (const auto copy = copies_.find(t); copy != copies_.end()) return copy->second;
    for (const size_t i : from->second) {
      Node n = g_.nodes[i];
      n.phase = Phase::BACKWARD;
      std::unordered_map<TensorId, TensorId> read{{0, 0}};
      for (TensorId& input : n.inputs) input = read[input] = again(input, makers, result);
      for (TensorId& output : n.outputs)
        if (output != 0) output = copy_of(output);
      for (BodyNode& part : n.body)
        for (auto* operands : {&part.inputs, &part.outputs})
          for (TensorId& operand : *operands) {
            const auto input = read.find(operand);
            operand = input != read.end() ? input->second : copy_of(operand);
          }
      result.push_back(std::move(n));
    }
    return copies_.at(t);
  }

  TensorId copy_of(TensorId t) {
    const auto [at, added] = copies_.emplace(t, static_cast<TensorId>(g_.tensors.size()));
    if (added) g_.tensors.push_back(Tensor(g_.tensors[t]));
    return at->second;
  }

  Graph& g_;
  std::function<bool(const Node&)> repeats_;
  std::unordered_map<TensorId, TensorId> copies_;
};

// What one layer hands to the next is kept: the last node of a layer whose output a later scope reads.
std::unordered_set<TensorId> crossing(const Graph& g) {
  std::unordered_map<TensorId, uint32_t> scope_of;
  std::unordered_set<TensorId> result;
  for (const Node& n : g.nodes) {
    if (n.phase != Phase::FORWARD) continue;
    for (TensorId t : n.inputs)
      if (const auto from = scope_of.find(t); from != scope_of.end() && from->second != n.scope) result.insert(t);
    for (TensorId t : n.outputs) scope_of[t] = n.scope;
  }
  return result;
}

}  // namespace

Graph recompute(Graph g, const std::string& granularity, int64_t num_layers) {
  if (granularity == "none") return g;
  if (granularity == "selective") {
    const auto cheap = [&](uint32_t op) {
      const graph::OpDef* def = graph::try_op(g.names[op]);
      return def && def->cheap;
    };
    Recompute(g, [&](const Node& n) {
      if (n.body.empty()) return cheap(n.op);
      return std::all_of(n.body.begin(), n.body.end(), [&](const BodyNode& part) { return cheap(part.op); });
    }).run();
    return g;
  }
  if (granularity != "full")
    fail("recompute.granularity = \"{}\": no such granularity{}", granularity, did_you_mean(granularity, {"none", "selective", "full"}));
  if (num_layers < 0) fail("recompute.num_layers = {}: expected 0 (all) or more", num_layers);
  const std::unordered_set<TensorId> handed_on = crossing(g);
  Recompute(g, [&](const Node& n) {
    const int64_t layer = layer_of(g.names[n.scope]);
    if (layer < 0 || (num_layers > 0 && layer >= num_layers)) return false;
    for (TensorId t : n.outputs)
      if (handed_on.contains(t)) return false;
    return true;
  }).run();
  return g;
}

}  // namespace corral::passes
