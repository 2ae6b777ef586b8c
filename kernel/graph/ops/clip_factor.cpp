#include <algorithm>
#include <cmath>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// norm = sqrt(squares) / weight_sum;  factor = min(1, clip / (norm + 1e-6)) / weight_sum, without the minimum where clip is 0.
// Gradients are weighted sums over targets; the factor makes them the clipped gradient of the mean. A batch without a target divides by 1.

std::vector<TensorType> shape(const ShapeCall& op) {
  op.require(op["squares"] == Shape{1}, "squares", "needs shape [1]");
  op.require(op["weight_sum"] == Shape{1}, "weight_sum", "needs shape [1]");
  return {{DType::F32, {1}}, {DType::F32, {1}}};
}

void reference(const RefCall& op) {
  const double weights = op.in("weight_sum")[0], divisor = weights > 0 ? weights : 1;
  const double norm = std::sqrt(op.in("squares")[0]) / divisor, clip = op.attr("clip");
  op.out("norm")[0] = norm;
  op.out("factor")[0] = (clip > 0 ? std::min(1.0, clip / (norm + 1e-6)) : 1.0) / divisor;
}
}  // namespace

extern const OpDef clip_factor;
const OpDef clip_factor{
    .name = "clip_factor",
    .axes = {{"", "squares: one, weight_sum: one -> factor: one, norm: one"}},
    .attrs = {{"clip", AttrKind::kNumber}},
    .types = {{"squares", DType::F32}, {"weight_sum", DType::F64}, {"factor", DType::F32}, {"norm", DType::F32}},
    .shape = shape,
    .reference = reference,
    .cases = {{{{"squares", {1}}, {"weight_sum", {1}}}, {{"clip", attribute(0.5)}}, {{"squares", {9, 10}}, {"weight_sum", {2, 3}}}},
              {{{"squares", {1}}, {"weight_sum", {1}}}, {}, {{"squares", {9, 10}}, {"weight_sum", {2, 3}}}},
              {{{"squares", {1}}, {"weight_sum", {1}}}, {}, {{"squares", {9, 10}}}, {{"weight_sum", {0}}}}},
};
}  // namespace corral::graph
