#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y[b, t] = w[tokens[b, t]], or 0 if w has no row for the id.  v is the vocabulary.

std::vector<TensorType> shape(const ShapeCall& op) {
  op.require(op["tokens"].size() == 2, "tokens", "needs two axes, sequences and token positions");
  op.require(op["w"].size() == 2, "w", "needs two axes, vocabulary and features");
  return {{op.dtype("w"), {op["tokens"][0], op["tokens"][1], op["w"][1]}}};
}

void gradient(GradCall& op) {
  if (op.needs("w")) op.set("w", op.emit("embedding_backward", {op.dout("y"), op.in("tokens"), op.in("w")})[0]);
}

void reference(const RefCall& op) {
  const auto tokens = op.in("tokens"), w = op.in("w");
  const auto y = op.out("y");
  const auto D = static_cast<size_t>(op.shape("w")[1]), V = static_cast<size_t>(op.shape("w")[0]);
  for (size_t i = 0; i < tokens.size(); ++i)
    for (size_t d = 0; d < D; ++d) y[i * D + d] = is_id(tokens[i], V) ? w[static_cast<size_t>(tokens[i]) * D + d] : 0;
}
}  // namespace

extern const OpDef embedding;
const OpDef embedding{
    .name = "embedding",
    .axes = {{"", "tokens: b t, w: v d -> y: b t d"}},
    .linear_in = {"w"},
    .ids = {{"tokens", "v"}},
    .types = {{"tokens", DType::I32}},
    .shape = shape,
    .gradient = gradient,
    .reference = reference,
    .activations = {"y"},
    .cases = {{{{"tokens", {2, 5}}, {"w", {11, 6}}}, {}, {{"tokens", {-2, 14}}}},
              {{{"tokens", {3, 200}}, {"w", {11, 70}}}, {}, {{"tokens", {0, 11}}}}},
};
}  // namespace corral::graph
