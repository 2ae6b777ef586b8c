#include <algorithm>
#include <cmath>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y[n] = the 2-norm of row n of w.

std::vector<TensorType> shape(const ShapeCall& op) {
  op.require(op["w"].size() == 2, "w", "needs two axes");
  return {{DType::F32, {op["w"][0]}}};
}

void reference(const RefCall& op) {
  const auto w = op.in("w");
  const auto y = op.out("y");
  const auto K = static_cast<size_t>(op.shape("w")[1]);
  for (size_t n = 0; n < y.size(); ++n) {
    double squares = 0;
    for (size_t k = 0; k < K; ++k) squares += w[n * K + k] * w[n * K + k];
    y[n] = std::sqrt(squares);
  }
}
}  // namespace

extern const OpDef row_norm;
const OpDef row_norm{
    .name = "row_norm",
    .axes = {{"", "w: n k -> y: n"}},
    .whole = "k",
    .types = {{"y", DType::F32}},
    .shape = shape,
    .reference = reference,
    .cases = {{{{"w", {5, 33}}}}},
};
}  // namespace corral::graph
