#include "kernel/passes/recompute.h"

#include <algorithm>
#include <functional>
#include <unordered_map>

#include "corral/error.h"
#include "kernel/graph/op.h"
#include "kernel/graph/scope.h"
#include "kernel/graph/uses.h"

namespace corral::passes {
namespace {

class Recompute {
 public:
  // `uses` are those of the given graph. `repeats` tells by node whether a forward node may run again.
  Recompute(Graph& g, const graph::Uses& uses, const std::function<bool(const Node&)>& repeats)
      : g_(g), uses_(uses), kept_(g.tensors.size()), repeats_(g.nodes.size()) {
    for (const Port& p : g_.outputs) kept_[p.tensor] = true;
    for (const State& s : g_.states) kept_[s.tensor] = true;
    for (size_t i = 0; i < g_.nodes.size(); ++i) repeats_[i] = g_.nodes[i].phase == Phase::FORWARD && repeats(g_.nodes[i]);
  }

  void run() {
    std::vector<Node> result;
    result.reserve(g_.nodes.size() * 2);
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      Node n = g_.nodes[i];
      if (n.phase == Phase::BACKWARD)
        for (TensorId& t : n.inputs) t = again(t, result);
      result.push_back(std::move(n));
    }
    g_.nodes = std::move(result);
  }

 private:
  // The tensor that contains the value of `t` in the backward phase. All nodes that write `t` or add to it are repeated before its first
  // use there.
  TensorId again(TensorId t, std::vector<Node>& result) {
    if (kept_[t]) return t;
    if (const auto copy = copies_.find(t); copy != copies_.end()) return copy->second;
    const auto writers = uses_.writers(t);
    if (writers.empty() || !std::all_of(writers.begin(), writers.end(), [&](uint32_t i) { return repeats_[i]; })) return t;
    for (const uint32_t i : writers) {
      Node n = g_.nodes[i];
      n.phase = Phase::BACKWARD;
      std::unordered_map<TensorId, TensorId> read{{0, 0}};
      for (TensorId& input : n.inputs) input = read[input] = again(input, result);
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
  const graph::Uses& uses_;
  std::vector<bool> kept_, repeats_;  // by tensor; by node
  std::unordered_map<TensorId, TensorId> copies_;
};

// By tensor: true if a scope passes it to another. These are kept.
std::vector<bool> crossing(const Graph& g, const graph::Uses& uses) {
  std::vector<bool> result(g.tensors.size());
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    if (g.nodes[i].phase != Phase::FORWARD) continue;
    for (const TensorId t : g.nodes[i].inputs)
      if (const size_t from = uses.last_writer(t, i); from != graph::Uses::kNone && g.nodes[from].scope != g.nodes[i].scope)
        result[t] = true;
  }
  return result;
}

}  // namespace

Graph recompute(Graph g, const std::string& granularity, int64_t num_layers) {
  if (granularity == "none") return g;
  const graph::Uses uses(g);
  if (granularity == "selective") {
    const auto cheap = [&](uint32_t op) {
      const graph::OpDef* def = graph::try_op(g.names[op]);
      return def && def->cheap;
    };
    Recompute(g, uses, [&](const Node& n) {
      if (n.body.empty()) return cheap(n.op);
      return std::all_of(n.body.begin(), n.body.end(), [&](const BodyNode& part) { return cheap(part.op); });
    }).run();
    return g;
  }
  if (granularity != "full")
    fail("recompute.granularity = \"{}\": no such granularity{}", granularity, did_you_mean(granularity, {"none", "selective", "full"}));
  if (num_layers < 0) fail("recompute.num_layers = {}: expected 0 (all) or more", num_layers);
  const std::vector<bool> handed_on = crossing(g, uses);
  Recompute(g, uses, [&](const Node& n) {
    const int64_t layer = graph::layer_of(g.names[n.scope]);
    if (layer < 0 || (num_layers > 0 && layer >= num_layers)) return false;
    return std::none_of(n.outputs.begin(), n.outputs.end(), [&](TensorId t) { return handed_on[t]; });
  }).run();
  return g;
}

}  // namespace corral::passes
