#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y = value, in the shape of x; the values of x are never read

std::vector<TensorType> shape(const ShapeCall& op) { return {{op.dtype("x"), op["x"]}}; }

void reference(const RefCall& op) {
  const auto x = op.in("x");
  const auto y = op.out("y");
  (void)x;
  std::fill(y.begin(), y.end(), op.attr("value"));
}
}  // namespace

extern const OpDef fill;
const OpDef fill{
    .name = "fill",
    .axes = {{"", "x: ... -> y: ..."}},
    .attrs = {{"value", AttrKind::kNumber}},
    .shape = shape,
    .reference = reference,
    .cases = {{{{"x", {2, 3, 8}}}}, {{{"x", {37}}}}},
};
}  // namespace corral::graph
