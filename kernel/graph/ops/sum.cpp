#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y = the sum of all of x, in float64: float32 counts exactly to 2^24 only

std::vector<TensorType> shape(const ShapeCall&) { return {{DType::F64, {1}}}; }

void reference(const RefCall& op) {
  double y = 0;
  for (double x : op.in("x")) y += x;
  op.out("y")[0] = y;
}
}  // namespace

extern const OpDef sum;
const OpDef sum{
    .name = "sum",
    .axes = {{"", "x: ... -> y: one"}},
    .linear_in = {"x"},
    .types = {{"y", DType::F64}},
    .shape = shape,
    .reference = reference,
    .accumulates = {"y"},
    .cases = {{{{"x", {2, 3, 8}}}}, {{{"x", {5000}}}}, {{{"x", {300, 301}}}}},
};
}  // namespace corral::graph
