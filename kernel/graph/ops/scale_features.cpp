#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y = x w, one factor for each feature (the last axis).

std::vector<TensorType> shape(const ShapeCall& op) {
  op.require(!op["x"].empty(), "x", "needs at least one axis");
  op.require(op["w"] == Shape{op["x"].back()}, "w", "needs one factor for each feature of x");
  return {{op.dtype("x"), op["x"]}};
}

void gradient(GradCall& op) {
  if (op.needs("x")) op.set("x", op.emit("scale_features", {op.dout("y"), op.in("w")})[0]);
  if (op.needs("w")) op.set("w", op.emit("scale_features_backward", {op.dout("y"), op.in("x")})[0]);
}

void reference(const RefCall& op) {
  const auto x = op.in("x"), w = op.in("w");
  const auto y = op.out("y");
  for (size_t i = 0; i < y.size(); ++i) y[i] = x[i] * w[i % w.size()];
}
}  // namespace

extern const OpDef scale_features;
const OpDef scale_features{
    .name = "scale_features",
    .axes = {{"", "x: ... n, w: n -> y: ... n"}},
    .linear_in = {"x", "w"},
    .shape = shape,
    .gradient = gradient,
    .reference = reference,
    .accumulates = {"y"},
    .activations = {"y"},
    .cases = {{{{"x", {2, 3, 8}}, {"w", {8}}}}, {{{"x", {1}}, {"w", {1}}}}, {{{"x", {7, 1333}}, {"w", {1333}}}}},
};
}  // namespace corral::graph
