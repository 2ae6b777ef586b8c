#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y = x in the type of y, to nearest even

std::vector<TensorType> shape(const ShapeCall& op) { return {{op.dtype("x"), op["x"]}}; }

void gradient(GradCall& op) {
  if (op.needs("x")) op.set("x", op.emit("cast", {op.dout("y")})[0]);
}

void reference(const RefCall& op) {
  const auto x = op.in("x");
  const auto y = op.out("y");
  for (size_t i = 0; i < y.size(); ++i) y[i] = x[i];
}
}  // namespace

extern const OpDef cast;
const OpDef cast{
    .name = "cast",
    .axes = {{"", "x: ... -> y: ..."}},
    .linear_in = {"x"},
    .shape = shape,
    .gradient = gradient,
    .reference = reference,
    .accumulates = {"y"},
    .cases = {{{{"x", {2, 3, 8}}}}, {{{"x", {37}}}}},
};
}  // namespace corral::graph
