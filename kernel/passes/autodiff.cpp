#include "kernel/passes/autodiff.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "kernel/graph/op.h"
#include "kernel/graph/uses.h"
#include "kernel/graph/verify.h"

namespace corral::passes {
namespace {
using graph::Attrs;
using graph::GradCall;
using graph::OpDef;
using graph::TensorType;

// One term of a gradient.
struct Contribution {
  TensorId tensor;
  bool own;     // only this sum reads it
  size_t made;  // it is written before this node
};

class Autodiff {
 public:
  explicit Autodiff(Graph& g) : g_(g), b_(g), forward_(g.nodes.size()), contributions_(g.tensors.size()) {}

  void run() {
    const TensorId losses = find_port(g_, g_.outputs, "losses");
    if (!losses) fail_bug("autodiff: the graph has no output \"losses\"");
    find_what_needs_gradients();
    if (!needed_[losses]) return;
    add_gradient_states();
    b_.phase = Phase::BACKWARD;
    b_.scope = g_.names[g_.nodes.back().scope];
    contribute(losses, b_.input("weights", DType::F32, g_.tensors[losses].shape), false);
    for (size_t i = forward_; i-- > 0;) differentiate(i);
    remove_unread_repeats();
  }

 private:
  void find_what_needs_gradients() {
    needed_.resize(g_.tensors.size());
    // A tensor that is kept over the step, such as a norm, is a constant for the gradient.
    std::vector<bool> constant(g_.tensors.size());
    constant[0] = true;
    for (const State& s : g_.states) {
      if (s.kind == StateKind::PARAMETER && s.trained) needed_[s.tensor] = true;
      constant[s.tensor] = true;
    }
    const auto pass_on = [&](const auto& n) {
      const bool any = std::any_of(n.inputs.begin(), n.inputs.end(), [&](TensorId t) { return needed_[t]; });
      for (TensorId t : n.outputs) needed_[t] = needed_[t] || (any && !constant[t]);
    };
    for (size_t i = 0; i < forward_; ++i) {
      pass_on(g_.nodes[i]);
      for (const BodyNode& part : g_.nodes[i].body) pass_on(part);
    }
  }

  void add_gradient_states() {
    const std::vector<State> before = g_.states;
    std::vector<Node> zeros;
    for (const State& s : before) {
      if (s.kind != StateKind::PARAMETER || !s.trained) continue;
      State gradient;
      gradient.kind = StateKind::GRADIENT;
      gradient.of = s.tensor;
      const TensorId id = b_.state("gradient." + name_of(g_, s.tensor), DType::F32, g_.tensors[s.tensor].shape, gradient);
      gradient_state_[s.tensor] = id;
      b_.scope = "gradients";
      Node zero = b_.node("fill", {id}, {id}, {{"value", attribute(0.0)}});
      zero.when = When::FIRST;
      g_.nodes.pop_back();
      zeros.push_back(std::move(zero));
    }
    g_.nodes.insert(g_.nodes.begin(), zeros.begin(), zeros.end());
    forward_ += zeros.size();
  }

  void differentiate(size_t i) {
    // A copy, as emitting moves the nodes.
    const Node n = g_.nodes[i];
    if (n.phase != Phase::FORWARD || op_of(g_, n) == "fill") return;
    const std::string where = graph::where(g_, i);
    if (n.body.empty()) return differentiate(n, n, where);
    const auto any = [](const std::vector<TensorId>& list, const auto& is) { return std::any_of(list.begin(), list.end(), is); };
    if (!any(n.outputs, [&](TensorId t) { return t < contributions_.size() && !contributions_[t].empty(); }) ||
        !any(n.inputs, [&](TensorId t) { return needed_[t]; }))
      return;
    const std::vector<Node> parts = body_of(n), again = repeat(n, parts);
    for (size_t k = parts.size(); k-- > 0;) differentiate(parts[k], again[k], where + ", " + op_of(g_, parts[k]) + " of its body");
  }

  // Returns the parts of a node over tensors that exist in the backward phase. Values between the parts are not kept: that phase computes
  // them again.
  std::vector<Node> repeat(const Node& n, const std::vector<Node>& parts) {
    std::unordered_map<TensorId, TensorId> copies;
    const auto present = [&](TensorId t) {
      const auto copy = copies.find(t);
      const bool kept = copy == copies.end() || std::find(n.outputs.begin(), n.outputs.end(), t) != n.outputs.end();
      return kept ? t : copy->second;
    };
    std::vector<Node> result;
    for (Node part : parts) {
      part.phase = Phase::BACKWARD;
      Node seen = part;  // by the gradient rule
      for (TensorId& t : part.inputs) t = present(t);
      for (size_t k = 0; k < part.outputs.size(); ++k) {
        TensorId& t = part.outputs[k];
        if (t == 0) continue;
        const auto [copy, added] = copies.emplace(t, static_cast<TensorId>(g_.tensors.size()));
        if (added) {
          g_.tensors.push_back(Tensor(g_.tensors[t]));
          part.accumulate &= ~(1u << k);  // the sum is kept outside of the body
        }
        t = copy->second;
      }
      seen.inputs = part.inputs;
      for (TensorId& t : seen.outputs) t = present(t);
      repeats_.push_back(g_.nodes.size());
      g_.nodes.push_back(std::move(part));
      result.push_back(std::move(seen));
    }
    return result;
  }

  void remove_unread_repeats() {
    const graph::Uses uses(g_);
    std::vector<bool> unread(g_.nodes.size());
    const auto is_read = [&](TensorId t) {
      return std::any_of(uses.readers(t).begin(), uses.readers(t).end(), [&](uint32_t reader) { return !unread[reader]; });
    };
    for (auto at = repeats_.rbegin(); at != repeats_.rend(); ++at)
      unread[*at] = std::none_of(g_.nodes[*at].outputs.begin(), g_.nodes[*at].outputs.end(), is_read);
    size_t i = 0;
    std::erase_if(g_.nodes, [&](const Node&) { return unread[i++]; });
  }

  // The node as its gradient rule sees it: `seen` names tensors of the backward phase instead of tensors that are no longer live then.
  void differentiate(const Node& n, const Node& seen, const std::string& where) {
    std::vector<TensorId> output_gradients;
    bool any = false;
    for (size_t k = 0; k < n.outputs.size(); ++k) {
      const TensorId t = n.outputs[k];
      output_gradients.push_back(t < contributions_.size() ? sum(t) : 0);
      any = any || output_gradients.back();
      // The tensor to which this output was added has the same gradient.
      if (output_gradients.back() && n.accumulate >> k & 1) contribute(t, output_gradients.back(), false);
    }
    std::vector<bool> needed;
    bool wanted = false;
    for (TensorId t : n.inputs) {
      needed.push_back(t < needed_.size() && needed_[t]);
      wanted = wanted || needed.back();
    }
    if (!any || !wanted) return;
    const OpDef& def = graph::find_op(op_of(g_, n), where);
    if (!def.gradient) fail_bug("autodiff: {} has no gradient", where);
    b_.scope = g_.names[n.scope];
    const Attrs attrs = graph::attributes_of(g_, n);
    needed.resize(def.operands(attrs).inputs.size());
    GradCall call(def, attrs, where, seen, output_gradients, needed,
                  [&](const std::string& op, const std::vector<TensorId>& inputs, const Attrs& a) { return emit(op, inputs, a); });
    const size_t emitted = g_.nodes.size();
    def.gradient(call);
    leave_out_unneeded(emitted, call.gradients, needed);
    for (size_t k = 0; k < n.inputs.size(); ++k)
      if (call.gradients[k] && needed[k]) contribute(n.inputs[k], call.gradients[k], only_use(call.gradients, k, output_gradients));
  }

  // Removes outputs of the nodes from `emitted` on that are not gradients of a needed input, if the operation can do without them.
  void leave_out_unneeded(size_t emitted, const std::vector<TensorId>& gradients, const std::vector<bool>& needed) {
    std::unordered_set<TensorId> used;
    for (size_t k = 0; k < gradients.size(); ++k)
      if (needed[k]) used.insert(gradients[k]);
    for (size_t i = emitted; i < g_.nodes.size(); ++i) used.insert(g_.nodes[i].inputs.begin(), g_.nodes[i].inputs.end());
    for (size_t i = emitted; i < g_.nodes.size(); ++i) {
      Node& n = g_.nodes[i];
      const graph::Operands& o = graph::find_op(op_of(g_, n)).operands(graph::attributes_of(g_, n));
      for (size_t k = 0; k < n.outputs.size(); ++k)
        if (o.optional_outputs[k] && !used.contains(n.outputs[k])) n.outputs[k] = 0;
    }
  }

  // True if this tensor is the gradient of one input only and of no output; a rule may pass a gradient on unchanged.
  static bool only_use(const std::vector<TensorId>& gradients, size_t k, const std::vector<TensorId>& output_gradients) {
    return std::count(gradients.begin(), gradients.end(), gradients[k]) == 1 &&
           std::find(output_gradients.begin(), output_gradients.end(), gradients[k]) == output_gradients.end();
  }

  // Gradients of parameters are summed in their state, others in their first term if nothing else reads it. The remaining terms are summed
  // when the node that wrote the tensor is reached.
  void contribute(TensorId of, TensorId gradient, bool own) {
    if (const auto state = gradient_state_.find(of); state != gradient_state_.end()) {
      if (!own || !add_to(state->second, gradient, forward_)) b_.node("cast", {gradient}, {state->second}).accumulate = 1;
      return;
    }
    std::vector<Contribution>& parts = contributions_[of];
    const bool added = own && !parts.empty() && parts.back().own && add_to(parts.back().tensor, gradient, parts.back().made);
    if (!added) parts.push_back({gradient, own, g_.nodes.size()});
  }

  // Lets the node that computed the gradient add it to `total`, if its operation can and nothing reads the gradient. `total` is written
  // before node `made`.
  bool add_to(TensorId total, TensorId gradient, size_t made) {
    for (size_t i = g_.nodes.size(); i-- > made;) {
      Node& maker = g_.nodes[i];
      const auto at = std::find(maker.outputs.begin(), maker.outputs.end(), gradient);
      if (at == maker.outputs.end()) {
        if (std::find(maker.inputs.begin(), maker.inputs.end(), gradient) != maker.inputs.end()) return false;
        continue;
      }
      const OpDef& def = graph::find_op(op_of(g_, maker));
      const auto k = static_cast<size_t>(at - maker.outputs.begin());
      const std::string& name = def.operands(graph::attributes_of(g_, maker)).outputs[k];
      if (std::find(def.accumulates.begin(), def.accumulates.end(), name) == def.accumulates.end()) return false;
      if (std::find(maker.outputs.begin(), maker.outputs.end(), total) != maker.outputs.end()) return false;
      maker.outputs[k] = total;
      maker.accumulate |= 1u << k;
      return true;
    }
    return false;
  }

  TensorId sum(TensorId of) {
    const std::vector<Contribution> parts = std::move(contributions_[of]);
    contributions_[of].clear();
    if (parts.empty()) return 0;
    TensorId total = parts[0].tensor;
    for (size_t i = 1; i < parts.size(); ++i) total = emit("add", {total, parts[i].tensor}, {})[0];
    return total;
  }

  std::vector<TensorId> emit(const std::string& op, const std::vector<TensorId>& inputs, const Attrs& attrs) {
    const OpDef& def = graph::find_op(op);
    std::vector<TensorType> types;
    std::vector<const TensorType*> given;
    types.reserve(inputs.size());
    for (TensorId t : inputs) {
      types.push_back({g_.tensors[t].dtype, g_.tensors[t].shape});
      given.push_back(t ? &types.back() : nullptr);
    }
    std::vector<TensorId> outputs;
    const auto inferred = graph::infer(def, attrs, given, op + " in " + b_.scope);
    const auto& names = def.operands(attrs).outputs;
    for (size_t k = 0; k < inferred.size(); ++k)
      outputs.push_back(b_.tensor(b_.scope + "." + op + "." + names[k], inferred[k].dtype, inferred[k].shape));
    b_.node(op, inputs, outputs, attrs);
    return outputs;
  }

  Graph& g_;
  GraphBuilder b_;
  size_t forward_;  // nodes of the forward phase
  std::vector<bool> needed_;
  std::vector<std::vector<Contribution>> contributions_;
  std::unordered_map<TensorId, TensorId> gradient_state_;
  std::vector<size_t> repeats_;  // nodes that compute a value of a body again
};

}  // namespace

Graph autodiff(Graph g) {
  Autodiff(g).run();
  return g;
}

}  // namespace corral::passes
