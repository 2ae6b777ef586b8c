#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y = a / b

std::vector<TensorType> shape(const ShapeCall& op) {
  op.require(op["b"] == op["a"], "b", "needs the shape of a");
  return {{op.dtype("a"), op["a"]}};
}

void gradient(GradCall& op) {
  if (!op.needs("a") && !op.needs("b")) return;
  const TensorId da = op.emit("divide", {op.dout("y"), op.in("b")})[0];
  if (op.needs("a")) op.set("a", da);
  if (op.needs("b")) op.set("b", op.emit("scale", {op.emit("mul", {da, op.out("y")})[0]}, {{"factor", attribute(-1.0)}})[0]);
}

void reference(const RefCall& op) {
  const auto a = op.in("a");
  const auto b = op.in("b");
  const auto y = op.out("y");
  for (size_t i = 0; i < y.size(); ++i) y[i] = a[i] / b[i];
}
}  // namespace

extern const OpDef divide;
const OpDef divide{
    .name = "divide",
    .axes = {{"", "a: ..., b: ... -> y: ..."}},
    .linear_in = {"a"},
    .shape = shape,
    .gradient = gradient,
    .reference = reference,
    .accumulates = {"y"},
    .cases = {{{{"a", {2, 3, 8}}, {"b", {2, 3, 8}}}, {}, {{"b", {0.5, 2}}}}, {{{"a", {1037}}, {"b", {1037}}}, {}, {{"b", {0.5, 2}}}}},
};
}  // namespace corral::graph
