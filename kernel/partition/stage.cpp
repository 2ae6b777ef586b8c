#include "kernel/partition/stage.h"

#include <algorithm>

#include "kernel/graph/op.h"
#include "kernel/graph/uses.h"
#include "kernel/graph/verify.h"
#include "kernel/partition/check.h"

namespace corral::partition {
namespace {

constexpr const char* kStages[] = {"model", "differentiated", "updated", "partitioned"};

// Nodes of later phases, conversions and layouts come later.
void require_nothing_of_later(const Graph& g, Stage stage, const std::string& at) {
  const Phase last = stage == Stage::kModel ? Phase::FORWARD : stage == Stage::kDifferentiated ? Phase::BACKWARD : Phase::UPDATE;
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    if (g.nodes[i].phase > last) fail_bug("{}: {} belongs to a later phase", at, graph::where(g, i));
    if (find_attribute(g, g.nodes[i], "mesh")) fail_bug("{}: {} is a conversion before the partition", at, graph::where(g, i));
  }
  for (const Tensor& t : g.tensors)
    if (!t.layout.global.empty() || !t.layout.cuts.empty() || !t.layout.owes.empty())
      fail_bug("{}: \"{}\" has a layout before the partition", at, g.names[t.name]);
}

void require_gradients(const Graph& g, const std::string& at) {
  for (const State& p : g.states) {
    if (p.kind != StateKind::PARAMETER || !p.trained) continue;
    const auto is_gradient = [&](const State& s) { return s.kind == StateKind::GRADIENT && s.of == p.tensor; };
    const auto gradient = std::find_if(g.states.begin(), g.states.end(), is_gradient);
    if (gradient == g.states.end()) fail_bug("{}: the parameter \"{}\" is trained and has no gradient", at, name_of(g, p.tensor));
    if (g.tensors[gradient->tensor].shape != g.tensors[p.tensor].shape)
      fail_bug("{}: the gradient of \"{}\" has another shape", at, name_of(g, p.tensor));
  }
}

void require_updates(const Graph& g, const std::string& at) {
  const graph::Uses uses(g);
  for (const State& p : g.states) {
    if (p.kind != StateKind::PARAMETER || !p.trained) continue;
    const size_t last = uses.last_writer(p.tensor);
    if (last == graph::Uses::kNone || g.nodes[last].phase != Phase::UPDATE)
      fail_bug("{}: the parameter \"{}\" is trained and not updated", at, name_of(g, p.tensor));
  }
}

}  // namespace

void verify(const Graph& g, Stage stage) {
  graph::verify(g);
  const std::string at = std::string("stage ") + kStages[static_cast<size_t>(stage)];
  if (stage == Stage::kPartitioned) return check_layouts(g);
  require_nothing_of_later(g, stage, at);
  if (stage == Stage::kModel) return;
  require_gradients(g, at);
  if (stage == Stage::kUpdated) require_updates(g, at);
}

}  // namespace corral::partition
