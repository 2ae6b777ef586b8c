#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y = factor x

std::vector<TensorType> shape(const ShapeCall& op) { return {{op.dtype("x"), op["x"]}}; }

void gradient(GradCall& op) {
  if (op.needs("x")) op.set("x", op.emit("scale", {op.dout("y")}, {op.same("factor")})[0]);
}

void reference(const RefCall& op) {
  const auto x = op.in("x");
  const auto y = op.out("y");
  for (size_t i = 0; i < y.size(); ++i) y[i] = op.attr("factor") * x[i];
}
}  // namespace

extern const OpDef scale;
const OpDef scale{
    .name = "scale",
    .axes = {{"", "x: ... -> y: ..."}},
    .linear_in = {"x"},
    .attrs = {{"factor", AttrKind::kNumber, 1}},
    .shape = shape,
    .gradient = gradient,
    .reference = reference,
    .accumulates = {"y"},
    .activations = {"y"},
    .cases = {{{{"x", {2, 3, 8}}}}, {{{"x", {37}}}}},
};
}  // namespace corral::graph
