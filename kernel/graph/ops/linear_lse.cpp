#include <algorithm>
#include <cmath>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// lse = log of the sum over the vocabulary of exp(x wT); target = the logit of the target, 0 if w has no row for it; largest = the
// largest logit: a prediction is right if target equals it. The logits of all tokens are never stored at once.

std::vector<TensorType> shape(const ShapeCall& op) {
  const Shape& x = op["x"];
  op.require(x.size() == 3, "x", "needs three axes: sequences, token positions, features");
  op.require(op["w"].size() == 2 && op["w"][1] == x[2], "w", "needs vocabulary and the features of x");
  op.require(op["targets"] == Shape{x[0], x[1]}, "targets", "needs one for each token position of x");
  const TensorType each{DType::F32, {x[0], x[1]}};
  return {each, each, each};
}

void gradient(GradCall& op) {
  if (!op.needs("x") && !op.needs("w")) return;
  const auto d =
      op.emit("linear_lse_backward", {op.in("x"), op.in("w"), op.in("targets"), op.out("lse"), op.dout("lse"), op.dout("target")});
  op.set("x", d[0]);
  op.set("w", d[1]);
}

void reference(const RefCall& op) {
  const auto x = op.in("x"), w = op.in("w"), targets = op.in("targets");
  const auto lse = op.out("lse"), target = op.out("target");
  const auto D = static_cast<size_t>(op.shape("w")[1]), V = static_cast<size_t>(op.shape("w")[0]);
  std::vector<double> logits(V);
  for (size_t i = 0; i < targets.size(); ++i) {
    for (size_t v = 0; v < V; ++v) {
      logits[v] = 0;
      for (size_t d = 0; d < D; ++d) logits[v] += x[i * D + d] * w[v * D + d];
    }
    const double largest = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (double l : logits) sum += std::exp(l - largest);
    lse[i] = largest + std::log(sum);
    target[i] = is_id(targets[i], V) ? logits[static_cast<size_t>(targets[i])] : 0;
    if (op.writes("largest")) op.out("largest")[i] = largest;
  }
}
}  // namespace

extern const OpDef linear_lse;
const OpDef linear_lse{
    .name = "linear_lse",
    .axes = {{"", "x: b t d, w: v d, targets: b t -> lse: b t, target: b t, largest?: b t"}},
    .whole = "d",
    .reduces = {{"lse", "log_sum_exp"}, {"largest", "max"}},
    .ids = {{"targets", "v"}},
    .types = {{"targets", DType::I32}, {"lse", DType::F32}, {"target", DType::F32}, {"largest", DType::F32}},
    .shape = shape,
    .gradient = gradient,
    .reference = reference,
    .cases = {{{{"x", {2, 3, 6}}, {"w", {11, 6}}, {"targets", {2, 3}}}, {}, {{"targets", {-1, 14}}}},
              {{{"x", {1, 19, 16}}, {"w", {203, 16}}, {"targets", {1, 19}}}, {}, {{"targets", {-1, 203}}}},
              {{{"x", {2, 150, 24}}, {"w", {1003, 24}}, {"targets", {2, 150}}}, {}, {{"targets", {-1, 1003}}}}},
};
}  // namespace corral::graph
