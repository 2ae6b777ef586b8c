#include <algorithm>
#include <cmath>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// norm = sqrt(squares) / weight_sum;  factor = min(1, clip / (norm + 1e-6)) / weight_sum, without the minimum where clip is 0.
// Gradients are weighted sums over targets; the factor makes them the clipped gradient of the mean. A batch without a target divides by 1.
// finite = 1 if norm, loss_sum and weight_sum are finite, else 0; the update then changes nothing.

std::vector<TensorType> shape(const ShapeCall& op) {
  for (const char* each : {"squares", "loss_sum", "weight_sum"}) op.require(op[each] == Shape{1}, each, "needs shape [1]");
  return {{DType::F32, {1}}, {DType::F32, {1}}, {DType::F32, {1}}};
}

void reference(const RefCall& op) {
  const double loss = op.in("loss_sum")[0], weights = op.in("weight_sum")[0], divisor = weights > 0 ? weights : 1;
  const double norm = std::sqrt(op.in("squares")[0]) / divisor, clip = op.attr("clip");
  op.out("norm")[0] = norm;
  op.out("factor")[0] = (clip > 0 ? std::min(1.0, clip / (norm + 1e-6)) : 1.0) / divisor;
  op.out("finite")[0] = std::isfinite(norm) && std::isfinite(loss) && std::isfinite(weights);
}

Case with(double loss_sum, double weight_sum, double clip) {
  return {{{"squares", {1}}, {"loss_sum", {1}}, {"weight_sum", {1}}},
          {{"clip", attribute(clip)}},
          {{"squares", {9, 10}}},
          {{"loss_sum", {loss_sum}}, {"weight_sum", {weight_sum}}}};
}
}  // namespace

extern const OpDef clip_factor;
const OpDef clip_factor{
    .name = "clip_factor",
    .axes = {{"", "squares: one, loss_sum: one, weight_sum: one -> factor: one, norm: one, finite: one"}},
    .attrs = {{"clip", AttrKind::kNumber}},
    .types = {{"squares", DType::F32},
              {"loss_sum", DType::F64},
              {"weight_sum", DType::F64},
              {"factor", DType::F32},
              {"norm", DType::F32},
              {"finite", DType::F32}},
    .shape = shape,
    .reference = reference,
    .cases = {with(5, 2.5, 0.5), with(5, 2.5, 0), with(0, 0, 0), with(NAN, 2, 1), with(-INFINITY, 2, 1)},
};
}  // namespace corral::graph
