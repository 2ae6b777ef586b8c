#include <algorithm>
#include <cmath>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y = the largest absolute value of x; NaN is ignored, infinity is not

std::vector<TensorType> shape(const ShapeCall&) { return {{DType::F32, {1}}}; }

void reference(const RefCall& op) {
  double y = 0;
  for (double x : op.in("x")) y = std::isnan(x) ? y : std::max(y, std::fabs(x));
  op.out("y")[0] = y;
}
}  // namespace

extern const OpDef amax;
const OpDef amax{
    .name = "amax",
    .axes = {{"", "x: ... -> y: one"}},
    .reduces = {{"y", "max"}},
    .types = {{"y", DType::F32}},
    .shape = shape,
    .reference = reference,
    .cases = {{{{"x", {2, 3, 8}}}}, {{{"x", {5000}}}}},
};
}  // namespace corral::graph
