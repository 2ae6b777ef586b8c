#include <algorithm>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// dw[tokens[b, t]] += dy[b, t] for each id for which w has a row. Only the shape of w is used.

std::vector<TensorType> shape(const ShapeCall& op) {
  const Shape &dy = op["dy"], &tokens = op["tokens"], &w = op["w"];
  op.require(w.size() == 2, "w", "needs two axes, vocabulary and features");
  op.require(tokens.size() == 2, "tokens", "needs two axes, sequences and token positions");
  op.require(dy == Shape{tokens[0], tokens[1], w[1]}, "dy", "needs the axes of tokens and w's features");
  return {{DType::F32, w}};
}

void reference(const RefCall& op) {
  const auto dy = op.in("dy"), tokens = op.in("tokens");
  const auto dw = op.out("dw");
  const auto D = static_cast<size_t>(op.shape("w")[1]), V = static_cast<size_t>(op.shape("w")[0]);
  std::fill(dw.begin(), dw.end(), 0);
  for (size_t i = 0; i < tokens.size(); ++i)
    for (size_t d = 0; d < D && is_id(tokens[i], V); ++d) dw[static_cast<size_t>(tokens[i]) * D + d] += dy[i * D + d];
}
}  // namespace

extern const OpDef embedding_backward;
const OpDef embedding_backward{
    .name = "embedding_backward",
    .axes = {{"", "dy: b t d, tokens: b t, w: v d -> dw: v d"}},
    .linear_in = {"dy"},
    .ids = {{"tokens", "v"}},
    .types = {{"tokens", DType::I32}, {"dw", DType::F32}},
    .shape = shape,
    .reference = reference,
    .accumulates = {"dw"},
    .cases = {{{{"dy", {2, 5, 6}}, {"tokens", {2, 5}}, {"w", {11, 6}}}, {}, {{"tokens", {-2, 14}}}},
              {{{"dy", {3, 200, 70}}, {"tokens", {3, 200}}, {"w", {11, 70}}}, {}, {{"tokens", {0, 11}}}}},
};
}  // namespace corral::graph
