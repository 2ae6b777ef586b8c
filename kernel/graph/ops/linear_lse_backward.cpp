#include <algorithm>
#include <cmath>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// With the probabilities p = exp(x wT - lse), computed again:  dlogits = p dlse + onehot(target) dtarget,  dx = dlogits w,  dw = dlogitsT
// x. A device whose processor multiplies bfloat16 may round dlogits to it.

std::vector<TensorType> shape(const ShapeCall& op) {
  const Shape& x = op["x"];
  op.require(x.size() == 3, "x", "needs three axes: sequences, token positions, features");
  op.require(op["w"].size() == 2 && op["w"][1] == x[2], "w", "needs vocabulary and the features of x");
  for (const char* each : {"targets", "lse", "dlse", "dtarget"})
    op.require(op[each] == Shape{x[0], x[1]}, each, "needs one for each token position of x");
  return {{op.dtype("x"), x}, {DType::F32, op["w"]}};
}

void reference(const RefCall& op) {
  const auto x = op.in("x"), w = op.in("w"), targets = op.in("targets"), lse = op.in("lse"), dlse = op.in("dlse"),
             dtarget = op.in("dtarget");
  const auto dx = op.out("dx"), dw = op.out("dw"), rounded_dx = op.rounded("dx"), rounded_dw = op.rounded("dw");
  const auto D = static_cast<size_t>(op.shape("w")[1]), V = static_cast<size_t>(op.shape("w")[0]);
  std::fill(dx.begin(), dx.end(), 0);
  std::fill(dw.begin(), dw.end(), 0);
  for (size_t i = 0; i < targets.size(); ++i)
    for (size_t v = 0; v < V; ++v) {
      double logit = 0;
      for (size_t d = 0; d < D; ++d) logit += x[i * D + d] * w[v * D + d];
      const double dlogit = std::exp(logit - lse[i]) * dlse[i] + (targets[i] == static_cast<double>(v) ? dtarget[i] : 0);
      for (size_t d = 0; d < D; ++d) {
        dx[i * D + d] += dlogit * w[v * D + d];
        dw[v * D + d] += dlogit * x[i * D + d];
        if (!rounded_dx.empty()) rounded_dx[i * D + d] += std::fabs(dlogit * w[v * D + d]);
        if (!rounded_dw.empty()) rounded_dw[v * D + d] += std::fabs(dlogit * x[i * D + d]);
      }
    }
}
}  // namespace

extern const OpDef linear_lse_backward;
const OpDef linear_lse_backward{
    .name = "linear_lse_backward",
    .axes = {{"", "x: b t d, w: v d, targets: b t, lse: b t, dlse: b t, dtarget: b t -> dx?: b t d, dw?: v d"}},
    .whole = "d",
    .linear_in = {"dlse dtarget"},
    .ids = {{"targets", "v"}},
    .types = {{"targets", DType::I32}, {"lse", DType::F32}, {"dlse", DType::F32}, {"dtarget", DType::F32}, {"dw", DType::F32}},
    .shape = shape,
    .reference = reference,
    .accumulates = {"dw"},
    .activations = {"dx"},
    .cases =
        {{{{"x", {2, 3, 6}}, {"w", {11, 6}}, {"targets", {2, 3}}, {"lse", {2, 3}}, {"dlse", {2, 3}}, {"dtarget", {2, 3}}},
          {},
          {{"targets", {-1, 14}}}},
         {{{"x", {2, 150, 24}}, {"w", {1003, 24}}, {"targets", {2, 150}}, {"lse", {2, 150}}, {"dlse", {2, 150}}, {"dtarget", {2, 150}}},
          {},
          {{"targets", {-1, 1003}}, {"lse", {6, 7}}}},
         // Token positions without a target have no gradient, such as the question when only the answer is trained.
         {{{"x", {2, 150, 24}}, {"w", {2, 24}}, {"targets", {2, 150}}, {"lse", {2, 150}}, {"dlse", {2, 150}}, {"dtarget", {2, 150}}},
          {},
          {{"targets", {-1, 2}}, {"dlse", {0, 0}}}}},
};
}  // namespace corral::graph
