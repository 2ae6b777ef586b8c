#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y = a b

std::vector<TensorType> shape(const ShapeCall& op) {
  op.require(op["b"] == op["a"], "b", "needs the shape of a");
  return {{op.dtype("a"), op["a"]}};
}

void gradient(GradCall& op) {
  if (op.needs("a")) op.set("a", op.emit("mul", {op.dout("y"), op.in("b")})[0]);
  if (op.needs("b")) op.set("b", op.emit("mul", {op.dout("y"), op.in("a")})[0]);
}

void reference(const RefCall& op) {
  const auto a = op.in("a");
  const auto b = op.in("b");
  const auto y = op.out("y");
  for (size_t i = 0; i < y.size(); ++i) y[i] = a[i] * b[i];
}
}  // namespace

extern const OpDef mul;
const OpDef mul{
    .name = "mul",
    .axes = {{"", "a: ..., b: ... -> y: ..."}},
    .linear_in = {"a", "b"},
    .shape = shape,
    .gradient = gradient,
    .reference = reference,
    .accumulates = {"y"},
    .activations = {"y"},
    .cases = {{{{"a", {2, 3, 8}}, {"b", {2, 3, 8}}}}, {{{"a", {37}}, {"b", {37}}}}},
};
}  // namespace corral::graph
