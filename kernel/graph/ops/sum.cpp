#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y = the sum of all of x

std::vector<TensorType> shape(const ShapeCall&) { return {{DType::F32, {1}}}; }

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
    .types = {{"y", DType::F32}},
    .shape = shape,
    .reference = reference,
    .accumulates = {"y"},
    .cases = {{{{"x", {2, 3, 8}}}}, {{{"x", {5000}}}}, {{{"x", {300, 301}}}}},
};
}  // namespace corral::graph
