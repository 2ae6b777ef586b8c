#include "kernel/passes/group_updates.h"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "corral/error.h"
#include "kernel/graph/op.h"

namespace corral::passes {
namespace {

constexpr int64_t kParts = 16;

// A node that can be joined with others. Its operands are states, used element by element, and scalars.
struct Joinable {
  size_t node;
  std::vector<TensorId> whole;  // the states, inputs before outputs
  std::string key;              // equal for nodes that may become one
};

class Grouping {
 public:
  explicit Grouping(Graph& g) : g_(g), b_(g), state_(g.tensors.size()), kind_(g.tensors.size()) {
    for (const State& s : g.states) {
      state_[s.tensor] = true;
      kind_[s.tensor] = s.kind;
    }
  }

  void run() {
    std::vector<Joinable> all;
    // No node of another operation is between these neighbours, so they may run at once.
    for (size_t i = 0, first = 0; i < g_.nodes.size(); ++i) {
      if (g_.nodes[i].op != g_.nodes[first].op) first = i;
      add_joinable(i, first, all);
    }
    // Nodes with the most operands cut the states into groups; all other nodes use these groups.
    std::stable_sort(all.begin(), all.end(), [](const Joinable& a, const Joinable& b) { return a.whole.size() > b.whole.size(); });
    std::vector<std::vector<const Joinable*>> classes;
    std::map<std::string, size_t> class_of;
    for (const Joinable& j : all) {
      const auto [at, added] = class_of.emplace(j.key, classes.size());
      if (added) classes.emplace_back();
      classes[at->second].push_back(&j);
    }
    for (const auto& nodes : classes) join(nodes);
    rewrite();
  }

 private:
  void add_joinable(size_t i, size_t first, std::vector<Joinable>& all) {
    const Node& n = g_.nodes[i];
    const graph::OpDef* const def = graph::try_op(op_of(g_, n));
    if (!def || !n.body.empty()) return;
    const graph::Operands& o = def->operands(graph::attributes_of(g_, n));
    Joinable j{i, {}, format("{} {} {} ", first, static_cast<int>(n.phase), static_cast<int>(n.when))};
    for (const Attribute& a : n.attributes) j.key += a.encode() + ";";
    for (size_t k = 0; k < n.inputs.size(); ++k)
      if (!add_operand(j, n.inputs[k], o.input_axes[k], true)) return;
    for (size_t k = 0; k < n.outputs.size(); ++k) {
      const bool adds = n.accumulate >> k & 1, is_sum = o.output_axes[k] == std::vector<std::string>{"one"};
      // Only the first sum of these may overwrite the result; the others add to it.
      if (!add_operand(j, n.outputs[k], o.output_axes[k], is_sum ? adds || i == first : !adds)) return;
    }
    if (!j.whole.empty()) all.push_back(std::move(j));
  }

  // False if a node with this operand cannot be joined.
  bool add_operand(Joinable& j, TensorId t, const std::vector<std::string>& axes, bool may) const {
    if (!may) return false;
    if (t == 0 || axes == std::vector<std::string>{"one"}) {
      j.key += format("%{} ", t);
      return true;
    }
    if (axes != std::vector<std::string>{"..."} || !state_[t]) return false;
    const auto same = std::find(j.whole.begin(), j.whole.end(), t);
    j.key += format("{} {} {} ", same - j.whole.begin(), static_cast<int>(g_.tensors[t].dtype), static_cast<int>(kind_[t]));
    if (same == j.whole.end()) j.whole.push_back(t);
    return true;
  }

  // Groups the states of these nodes unless they are in groups already, and puts one node in place of those that cover whole groups.
  void join(const std::vector<const Joinable*>& nodes) {
    if (nodes.size() < 2) return;
    if (std::none_of(nodes.begin(), nodes.end(), [&](const Joinable* j) { return grouped(*j); })) add_groups(nodes);
    std::map<size_t, std::vector<const Joinable*>> by_group;
    for (const Joinable* j : nodes)
      if (const auto at = group_of_.find(j->whole[0]); at != group_of_.end()) by_group[at->second].push_back(j);
    for (auto& [first, parts] : by_group) {
      std::sort(parts.begin(), parts.end(), [](const Joinable* a, const Joinable* b) { return a->node < b->node; });
      if (covers(parts)) replace(parts);
    }
  }

  bool grouped(const Joinable& j) const {
    return std::any_of(j.whole.begin(), j.whole.end(), [&](TensorId t) { return group_of_.contains(t); });
  }

  void add_groups(const std::vector<const Joinable*>& nodes) {
    if (total_ == 0)
      for (const Joinable* j : nodes) total_ += group_elements(g_, j->whole[0]);
    for (size_t from = 0; from < nodes.size();) {
      int64_t size = 0;
      size_t end = from;
      for (; end < nodes.size() && (size == 0 || size + group_elements(g_, nodes[end]->whole[0]) <= total_ / kParts); ++end)
        size += group_elements(g_, nodes[end]->whole[0]);
      for (size_t k = 0; k < nodes[from]->whole.size(); ++k) {
        Group group;
        for (size_t i = from; i < end; ++i) {
          group.members.push_back(nodes[i]->whole[k]);
          group_of_[nodes[i]->whole[k]] = g_.groups.size();
        }
        const std::string name = format("group.{}.{}", g_.groups.size(), name_of(g_, group.members[0]));
        group.tensor = b_.tensor(name, g_.tensors[group.members[0]].dtype, {size});
        g_.groups.push_back(std::move(group));
      }
      from = end;
    }
  }

  // Do these nodes take the members of whole groups, each in the order of its group?
  bool covers(const std::vector<const Joinable*>& parts) const {
    for (size_t k = 0; k < parts[0]->whole.size(); ++k) {
      std::vector<TensorId> taken;
      for (const Joinable* j : parts) taken.push_back(j->whole[k]);
      const auto group = group_of_.find(taken[0]);
      if (group == group_of_.end() || g_.groups[group->second].members != taken) return false;
    }
    return true;
  }

  void replace(const std::vector<const Joinable*>& parts) {
    Node& n = g_.nodes[parts[0]->node];
    for (auto* operands : {&n.inputs, &n.outputs})
      for (TensorId& t : *operands)
        if (const auto group = group_of_.find(t); group != group_of_.end()) t = g_.groups[group->second].tensor;
    for (size_t i = 1; i < parts.size(); ++i) gone_.insert(parts[i]->node);
  }

  void rewrite() {
    std::vector<Node> kept;
    for (size_t i = 0; i < g_.nodes.size(); ++i)
      if (!gone_.contains(i)) kept.push_back(std::move(g_.nodes[i]));
    g_.nodes = std::move(kept);
  }

  Graph& g_;
  GraphBuilder b_;
  std::vector<bool> state_;
  std::vector<StateKind> kind_;
  int64_t total_ = 0;  // elements of all states that are joined first
  std::unordered_map<TensorId, size_t> group_of_;
  std::unordered_set<size_t> gone_;  // nodes that a joined node replaces
};

}  // namespace

Graph group_updates(Graph g) {
  Grouping(g).run();
  return g;
}

}  // namespace corral::passes
