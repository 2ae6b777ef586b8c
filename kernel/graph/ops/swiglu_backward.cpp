#include <algorithm>
#include <cmath>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// With s = 1 / (1 + exp(-gate)):  dgate = dy up s (1 + gate (1 - s)),  dup = dy gate s.

std::vector<TensorType> shape(const ShapeCall& op) {
  op.require(op["up"] == op["gate"], "up", "needs the shape of gate");
  op.require(op["dy"] == op["gate"], "dy", "needs the shape of gate");
  return {{op.dtype("gate"), op["gate"]}, {op.dtype("gate"), op["gate"]}};
}

void reference(const RefCall& op) {
  const auto gate = op.in("gate");
  const auto up = op.in("up");
  const auto dy = op.in("dy");
  const auto dgate = op.out("dgate");
  const auto dup = op.out("dup");
  for (size_t i = 0; i < dy.size(); ++i) {
    const double s = 1 / (1 + std::exp(-gate[i]));
    dgate[i] = dy[i] * up[i] * s * (1 + gate[i] * (1 - s));
    dup[i] = dy[i] * gate[i] * s;
  }
}
}  // namespace

extern const OpDef swiglu_backward;
const OpDef swiglu_backward{
    .name = "swiglu_backward",
    .axes = {{"", "gate: ..., up: ..., dy: ... -> dgate: ..., dup: ..."}},
    .linear_in = {"dy"},
    .shape = shape,
    .reference = reference,
    .activations = {"dgate", "dup"},
    .cases = {{{{"gate", {2, 3, 8}}, {"up", {2, 3, 8}}, {"dy", {2, 3, 8}}}},
              {{{"gate", {37}}, {"up", {37}}, {"dy", {37}}}},
              {{{"gate", {70, 101}}, {"up", {70, 101}}, {"dy", {70, 101}}}}},
};
}  // namespace corral::graph
