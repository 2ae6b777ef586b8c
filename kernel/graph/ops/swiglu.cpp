#include <algorithm>
#include <cmath>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y = silu(gate) up, silu(g) = g / (1 + exp(-g)).  arXiv:2002.05202

std::vector<TensorType> shape(const ShapeCall& op) {
  op.require(op["up"] == op["gate"], "up", "needs the shape of gate");
  return {{op.dtype("gate"), op["gate"]}};
}

void gradient(GradCall& op) {
  if (!op.needs("gate") && !op.needs("up")) return;
  const auto d = op.emit("swiglu_backward", {op.in("gate"), op.in("up"), op.dout("y")});
  op.set("gate", d[0]);
  op.set("up", d[1]);
}

void reference(const RefCall& op) {
  const auto gate = op.in("gate");
  const auto up = op.in("up");
  const auto y = op.out("y");
  for (size_t i = 0; i < y.size(); ++i) y[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
}
}  // namespace

extern const OpDef swiglu;
const OpDef swiglu{
    .name = "swiglu",
    .axes = {{"", "gate: ..., up: ... -> y: ..."}},
    .linear_in = {"up"},
    .shape = shape,
    .gradient = gradient,
    .reference = reference,
    .cheap = true,
    .activations = {"y"},
    .cases = {{{{"gate", {2, 3, 8}}, {"up", {2, 3, 8}}}}, {{{"gate", {37}}, {"up", {37}}}}, {{{"gate", {70, 101}}, {"up", {70, 101}}}}},
};
}  // namespace corral::graph
