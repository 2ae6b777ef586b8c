#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y[b] = x[b, index[b]]: one token position of each sequence, or 0 if x does not have it.

std::vector<TensorType> shape(const ShapeCall& op) {
  const Shape& x = op["x"];
  op.require(x.size() == 3, "x", "needs three axes: sequences, token positions, features");
  op.require(op["index"] == Shape{x[0]}, "index", "needs one for each sequence of x");
  return {{op.dtype("x"), {x[0], 1, x[2]}}};
}

void reference(const RefCall& op) {
  const auto x = op.in("x"), index = op.in("index");
  const auto y = op.out("y");
  const auto T = static_cast<size_t>(op.shape("x")[1]), D = static_cast<size_t>(op.shape("x")[2]);
  for (size_t b = 0; b < index.size(); ++b)
    for (size_t d = 0; d < D; ++d) y[b * D + d] = is_id(index[b], T) ? x[(b * T + static_cast<size_t>(index[b])) * D + d] : 0;
}
}  // namespace

extern const OpDef select_rows;
const OpDef select_rows{
    .name = "select_rows",
    .axes = {{"", "x: b t d, index: b -> y: b one d"}},
    .linear_in = {"x"},
    .ids = {{"index", "t"}},
    .types = {{"index", DType::I32}},
    .shape = shape,
    .reference = reference,
    .activations = {"y"},
    .cases = {{{{"x", {3, 4, 5}}, {"index", {3}}}, {}, {{"index", {0, 4}}}},
              {{{"x", {3, 4, 5}}, {"index", {3}}}, {}, {}, {{"index", {-1, 3, 4}}}}},
};
}  // namespace corral::graph
