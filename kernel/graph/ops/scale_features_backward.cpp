#include <algorithm>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// dw = sum over rows of dy x.

std::vector<TensorType> shape(const ShapeCall& op) {
  op.require(!op["dy"].empty(), "dy", "needs at least one axis");
  op.require(op["x"] == op["dy"], "x", "needs the shape of dy");
  return {{DType::F32, {op["dy"].back()}}};
}

void reference(const RefCall& op) {
  const auto dy = op.in("dy"), x = op.in("x");
  const auto dw = op.out("dw");
  std::fill(dw.begin(), dw.end(), 0);
  for (size_t i = 0; i < x.size(); ++i) dw[i % dw.size()] += dy[i] * x[i];
}
}  // namespace

extern const OpDef scale_features_backward;
const OpDef scale_features_backward{
    .name = "scale_features_backward",
    .axes = {{"", "dy: ... n, x: ... n -> dw: n"}},
    .linear_in = {"dy", "x"},
    .types = {{"dw", DType::F32}},
    .shape = shape,
    .reference = reference,
    .accumulates = {"dw"},
    .cases = {{{{"dy", {2, 3, 8}}, {"x", {2, 3, 8}}}}, {{{"dy", {7, 33}}, {"x", {7, 33}}}}, {{{"dy", {130, 257}}, {"x", {130, 257}}}}},
};
}  // namespace corral::graph
