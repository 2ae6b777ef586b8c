#include <algorithm>
#include <cmath>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// With s = 1 / sqrt(mean(x^2) + eps):  dx = s (w dy - x s^2 mean(w dy x)),  dw = sum over rows of dy x s.

std::vector<TensorType> shape(const ShapeCall& op) {
  op.require(!op["x"].empty(), "x", "needs at least one axis");
  op.require(op["w"] == Shape{op["x"].back()}, "w", "needs one weight for each feature of x");
  op.require(op["dy"] == op["x"], "dy", "needs the shape of x");
  return {{op.dtype("dy"), op["x"]}, {DType::F32, op["w"]}};
}

void reference(const RefCall& op) {
  const auto x = op.in("x"), w = op.in("w"), dy = op.in("dy");
  const auto dx = op.out("dx"), dw = op.out("dw");
  const size_t D = w.size();
  std::fill(dw.begin(), dw.end(), 0);
  for (size_t row = 0; row < x.size(); row += D) {
    double squares = 0, inner = 0;
    for (size_t d = 0; d < D; ++d) {
      squares += x[row + d] * x[row + d];
      inner += w[d] * dy[row + d] * x[row + d];
    }
    const double s = 1 / std::sqrt(squares / static_cast<double>(D) + op.attr("eps"));
    for (size_t d = 0; d < D; ++d) {
      dx[row + d] = s * (w[d] * dy[row + d] - x[row + d] * s * s * inner / static_cast<double>(D));
      dw[d] += dy[row + d] * x[row + d] * s;
    }
  }
}
}  // namespace

extern const OpDef rms_norm_backward;
const OpDef rms_norm_backward{
    .name = "rms_norm_backward",
    .axes = {{"", "x: ... d, w: d, dy: ... d -> dx?: ... d, dw?: d"}},
    .whole = "d",
    .linear_in = {"dy"},
    .attrs = {{"eps", AttrKind::kNumber, 1e-5}},
    .types = {{"dw", DType::F32}},
    .shape = shape,
    .reference = reference,
    .accumulates = {"dw"},
    .activations = {"dx"},
    .cases = {{{{"x", {2, 3, 8}}, {"w", {8}}, {"dy", {2, 3, 8}}}},
              {{{"x", {7, 33}}, {"w", {33}}, {"dy", {7, 33}}}},
              {{{"x", {130, 257}}, {"w", {257}}, {"dy", {130, 257}}}}},
};
}  // namespace corral::graph
