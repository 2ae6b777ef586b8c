#include <algorithm>
#include <cmath>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y = w * x / sqrt(mean(x^2) + eps), mean over the last axis.  arXiv:1910.07467

std::vector<TensorType> shape(const ShapeCall& op) {
  const Shape& x = op["x"];
  op.require(!x.empty(), "x", "needs at least one axis");
  op.require(op["w"] == Shape{x.back()}, "w", "needs one weight for each feature of x");
  return {{op.dtype("x"), x}};
}

void gradient(GradCall& op) {
  if (!op.needs("x") && !op.needs("w")) return;
  const auto d = op.emit("rms_norm_backward", {op.in("x"), op.in("w"), op.dout("y")}, {op.same("eps")});
  op.set("x", d[0]);
  op.set("w", d[1]);
}

void reference(const RefCall& op) {
  const auto x = op.in("x"), w = op.in("w");
  const auto y = op.out("y");
  const size_t D = w.size();
  for (size_t row = 0; row < x.size(); row += D) {
    double squares = 0;
    for (size_t d = 0; d < D; ++d) squares += x[row + d] * x[row + d];
    const double scale = 1 / std::sqrt(squares / static_cast<double>(D) + op.attr("eps"));
    for (size_t d = 0; d < D; ++d) y[row + d] = w[d] * x[row + d] * scale;
  }
}
}  // namespace

extern const OpDef rms_norm;
const OpDef rms_norm{
    .name = "rms_norm",
    .axes = {{"", "x: ... d, w: d -> y: ... d"}},
    .whole = "d",
    .linear_in = {"w"},
    .attrs = {{"eps", AttrKind::kNumber, 1e-5}},
    .shape = shape,
    .gradient = gradient,
    .reference = reference,
    .cheap = true,
    .activations = {"y"},
    .cases = {{{{"x", {2, 3, 8}}, {"w", {8}}}},
              {{{"x", {1, 1}}, {"w", {1}}}, {{"eps", attribute(1e-2)}}},
              {{{"x", {5, 40}}, {"w", {40}}}},
              {{{"x", {130, 257}}, {"w", {257}}}}},
};
}  // namespace corral::graph
