#include <cmath>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y = the square root of x

std::vector<TensorType> shape(const ShapeCall& op) { return {{op.dtype("x"), op["x"]}}; }

// dx = dy / (2 y)
void gradient(GradCall& op) {
  if (op.needs("x")) op.set("x", op.emit("scale", {op.emit("divide", {op.dout("y"), op.out("y")})[0]}, {{"factor", attribute(0.5)}})[0]);
}

void reference(const RefCall& op) {
  const auto x = op.in("x");
  const auto y = op.out("y");
  for (size_t i = 0; i < y.size(); ++i) y[i] = std::sqrt(x[i]);
}
}  // namespace

extern const OpDef sqrt;
const OpDef sqrt{
    .name = "sqrt",
    .axes = {{"", "x: ... -> y: ..."}},
    .shape = shape,
    .gradient = gradient,
    .reference = reference,
    .accumulates = {"y"},
    .cases = {{{{"x", {2, 3, 8}}}, {}, {{"x", {0.5, 4}}}}, {{{"x", {1037}}}, {}, {{"x", {0, 9}}}}},
};
}  // namespace corral::graph
