#include <algorithm>
#include <cmath>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// norm = sqrt(squares) / target_count;  factor = min(1, clip / (norm + 1e-6)) / target_count, without the minimum where clip is 0.
// Gradients are sums over targets; the factor makes them the clipped gradient of the mean.

std::vector<TensorType> shape(const ShapeCall& op) {
  op.require(op["squares"] == Shape{1}, "squares", "needs shape [1]");
  op.require(op["target_count"] == Shape{1}, "target_count", "needs shape [1]");
  return {{DType::F32, {1}}, {DType::F32, {1}}};
}

void reference(const RefCall& op) {
  const double count = op.in("target_count")[0], norm = std::sqrt(op.in("squares")[0]) / count, clip = op.attr("clip");
  op.out("norm")[0] = norm;
  op.out("factor")[0] = (clip > 0 ? std::min(1.0, clip / (norm + 1e-6)) : 1.0) / count;
}
}  // namespace

extern const OpDef clip_factor;
const OpDef clip_factor{
    .name = "clip_factor",
    .axes = {{"", "squares: one, target_count: one -> factor: one, norm: one"}},
    .attrs = {{"clip", AttrKind::kNumber}},
    .types = {{"squares", DType::F32}, {"target_count", DType::F32}, {"factor", DType::F32}, {"norm", DType::F32}},
    .shape = shape,
    .reference = reference,
    .cases = {{{{"squares", {1}}, {"target_count", {1}}}, {{"clip", attribute(0.5)}}, {{"squares", {9, 10}}, {"target_count", {2, 3}}}},
              {{{"squares", {1}}, {"target_count", {1}}}, {}, {{"squares", {9, 10}}, {"target_count", {2, 3}}}}},
};
}  // namespace corral::graph
