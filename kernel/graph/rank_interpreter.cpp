#include "kernel/graph/rank_interpreter.h"

#include "kernel/graph/print.h"
#include "kernel/graph/verify.h"

namespace corral::graph {
namespace {

const OpDef& op(const Graph& g, const Node& n) { return find_op(op_of(g, n)); }

std::string mesh_of(const Graph& g, const Node& n) {
  const Attribute* mesh = find_attribute(g, n, "mesh");
  return mesh ? mesh->text : "";
}

// The operation and the attributes in which the ranks of a group must agree.
std::string agreement(const Graph& g, const Node& n) {
  std::string text = op_of(g, n);
  for (const NamedAttribute& a : attributes_of(g, n))
    text += format(" {}={}{}", a.name, a.value.text, a.value.text.empty() ? std::to_string(a.value.integer) : "");
  for (const TensorId t : n.inputs) text += " of " + shape_text(g.tensors[t].shape);
  return text;
}

}  // namespace

RankInterpreter::RankInterpreter(std::vector<Graph> graphs, Mesh mesh) : graphs_(std::move(graphs)), mesh_(std::move(mesh)) {
  if (graphs_.size() != mesh_.ranks()) fail_bug("{} graphs for a mesh of {} ranks", graphs_.size(), mesh_.ranks());
  for (const Graph& g : graphs_) values_.push_back(std::make_unique<Interpreter>(g));
}

void RankInterpreter::run(const std::function<bool(const Node&)>& chosen) {
  std::vector<Progress> all(ranks());
  for (size_t rank = 0; rank < ranks(); ++rank)
    for (size_t i = 0; i < graphs_[rank].nodes.size(); ++i) {
      const Node& n = graphs_[rank].nodes[i];
      if (!chosen(n)) continue;
      if (n.body.empty()) all[rank].steps.push_back({n, i});
      for (Node& part : body_of(n)) all[rank].steps.push_back({std::move(part), i});
    }
  for (bool goes_on = true; goes_on;) {
    goes_on = false;
    for (size_t rank = 0; rank < ranks(); ++rank) run_to_conversion(rank, all[rank]);
    for (size_t rank = 0; rank < ranks(); ++rank) goes_on = meet(rank, all) || goes_on;
  }
  std::string waiting;
  bool any = false;
  for (size_t rank = 0; rank < ranks(); ++rank) {
    waiting += "\n       " + place(rank, all[rank].waits());
    any = any || all[rank].waits();
  }
  if (any) fail_bug("ranks wait for each other:{}", waiting);
}

void RankInterpreter::run_to_conversion(size_t rank, Progress& p) {
  const Graph& g = graphs_[rank];
  for (; p.waits() && !op(g, p.waits()->node).exchange; ++p.next) values_[rank]->run_one(p.waits()->node);
}

// Runs the conversion that all ranks of the group have reached. Returns false if one of them is elsewhere.
bool RankInterpreter::meet(size_t rank, std::vector<Progress>& all) {
  const Step* first = all[rank].waits();
  if (!first || !op(graphs_[rank], first->node).exchange) return false;
  const std::string mesh = mesh_of(graphs_[rank], first->node);
  if (!mesh_.find(mesh)) fail_bug("{}: no dimension of the mesh is named \"{}\"", place(rank, first), mesh);
  const std::vector<size_t> group = mesh_.group(rank, mesh);
  for (const size_t other : group) {
    const Step* step = all[other].waits();
    if (!step || !op(graphs_[other], step->node).exchange || mesh_of(graphs_[other], step->node) != mesh) return false;
  }
  for (const size_t other : group) require_equal(rank, *first, other, *all[other].waits());
  std::vector<std::unique_ptr<ReferenceRun>> runs;
  std::vector<RefCall> calls;
  for (const size_t other : group) {
    runs.push_back(std::make_unique<ReferenceRun>(values_[other]->begin(all[other].waits()->node)));
    calls.push_back(runs.back()->call());
  }
  op(graphs_[rank], first->node).exchange(calls);
  for (size_t i = 0; i < group.size(); ++i) {
    values_[group[i]]->finish(all[group[i]].waits()->node, *runs[i]);
    ++all[group[i]].next;
  }
  return true;
}

void RankInterpreter::require_equal(size_t a, const Step& x, size_t b, const Step& y) const {
  const std::string ours = agreement(graphs_[a], x.node), theirs = agreement(graphs_[b], y.node);
  if (ours != theirs)
    fail_bug("ranks disagree about their next conversion:\n       {}: {}\n       {}: {}", place(a, &x), ours, place(b, &y), theirs);
}

std::string RankInterpreter::place(size_t rank, const Step* step) const {
  if (!step) return format("rank {} ended", rank);
  return format("rank {}: {} over \"{}\", {}", rank, op_of(graphs_[rank], step->node), mesh_of(graphs_[rank], step->node),
                where(graphs_[rank], step->number));
}

}  // namespace corral::graph
