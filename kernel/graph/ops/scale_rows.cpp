#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y[n, k] = x[n, k] w[n], one factor for each row of a matrix.

std::vector<TensorType> shape(const ShapeCall& op) {
  op.require(op["x"].size() == 2, "x", "needs two axes");
  op.require(op["w"] == Shape{op["x"][0]}, "w", "needs one factor for each row of x");
  return {{op.dtype("x"), op["x"]}};
}

void reference(const RefCall& op) {
  const auto x = op.in("x"), w = op.in("w");
  const auto y = op.out("y");
  const auto K = static_cast<size_t>(op.shape("x")[1]);
  for (size_t i = 0; i < y.size(); ++i) y[i] = x[i] * w[i / K];
}
}  // namespace

extern const OpDef scale_rows;
const OpDef scale_rows{
    .name = "scale_rows",
    .axes = {{"", "x: n k, w: n -> y: n k"}},
    .linear_in = {"x", "w"},
    .shape = shape,
    .reference = reference,
    .cases = {{{{"x", {5, 33}}, {"w", {5}}}}, {{{"x", {3, 1333}}, {"w", {3}}}}},
};
}  // namespace corral::graph
