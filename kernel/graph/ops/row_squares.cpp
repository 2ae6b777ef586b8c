#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y[n] = the sum of the squares of row n of w. Its root is the norm of the row; over cut columns the sum is partial.

std::vector<TensorType> shape(const ShapeCall& op) {
  op.require(op["w"].size() == 2, "w", "needs two axes");
  return {{DType::F32, {op["w"][0]}}};
}

void reference(const RefCall& op) {
  const auto w = op.in("w");
  const auto y = op.out("y");
  const auto K = static_cast<size_t>(op.shape("w")[1]);
  for (size_t n = 0; n < y.size(); ++n) {
    y[n] = 0;
    for (size_t k = 0; k < K; ++k) y[n] += w[n * K + k] * w[n * K + k];
  }
}
}  // namespace

extern const OpDef row_squares;
const OpDef row_squares{
    .name = "row_squares",
    .axes = {{"", "w: n k -> y: n"}},
    .types = {{"y", DType::F32}},
    .shape = shape,
    .reference = reference,
    .cases = {{{{"w", {5, 33}}}}, {{{"w", {70, 300}}}}},
};
}  // namespace corral::graph
