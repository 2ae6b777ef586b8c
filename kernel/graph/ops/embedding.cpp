#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y[b, t] = w[tokens[b, t]].  The vocabulary is v.

std::vector<TensorType> shape(const ShapeCall& op) {
  op.require(op["tokens"].size() == 2, "tokens", "needs two axes, rows and places");
  op.require(op["w"].size() == 2, "w", "needs two axes, vocabulary and features");
  return {{op.dtype("w"), {op["tokens"][0], op["tokens"][1], op["w"][1]}}};
}

void gradient(GradCall& op) {
  if (op.needs("w")) op.set("w", op.emit("embedding_backward", {op.dout("y"), op.in("tokens"), op.in("w")})[0]);
}

void reference(const RefCall& op) {
  const auto tokens = op.in("tokens"), w = op.in("w");
  const auto y = op.out("y");
  const auto D = static_cast<size_t>(op.shape("w")[1]);
  for (size_t i = 0; i < tokens.size(); ++i)
    for (size_t d = 0; d < D; ++d) y[i * D + d] = w[static_cast<size_t>(tokens[i]) * D + d];
}
}  // namespace

extern const OpDef embedding;
const OpDef embedding{
    .name = "embedding",
    .axes = {{"", "tokens: b t, w: v d -> y: b t d"}},
    .types = {{"tokens", DType::I32}},
    .shape = shape,
    .gradient = gradient,
    .reference = reference,
    .activations = {"y"},
    .linear_in = {"w"},
    .cases = {{{{"tokens", {2, 5}}, {"w", {11, 6}}}, {}, {{"tokens", {0, 11}}}},
              {{{"tokens", {3, 200}}, {"w", {11, 70}}}, {}, {{"tokens", {0, 11}}}}},
};
}  // namespace corral::graph
