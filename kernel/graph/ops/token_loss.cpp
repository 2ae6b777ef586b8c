#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y = lse - target, the cross entropy of each token position; 0 if it has no target.

std::vector<TensorType> shape(const ShapeCall& op) {
  op.require(op["target"] == op["lse"], "target", "needs the shape of lse");
  op.require(op["targets"] == op["lse"], "targets", "needs the shape of lse");
  return {{DType::F32, op["lse"]}};
}

void gradient(GradCall& op) {
  const auto d = op.emit("token_loss_backward", {op.in("targets"), op.dout("losses")});
  op.set("lse", d[0]);
  op.set("target", d[1]);
}

void reference(const RefCall& op) {
  const auto lse = op.in("lse"), target = op.in("target"), targets = op.in("targets");
  const auto losses = op.out("losses");
  for (size_t i = 0; i < losses.size(); ++i) losses[i] = targets[i] < 0 ? 0 : lse[i] - target[i];
}
}  // namespace

extern const OpDef token_loss;
const OpDef token_loss{
    .name = "token_loss",
    .axes = {{"", "lse: b t, target: b t, targets: b t -> losses: b t"}},
    .linear_in = {"lse target"},
    .types = {{"lse", DType::F32}, {"target", DType::F32}, {"targets", DType::I32}, {"losses", DType::F32}},
    .shape = shape,
    .gradient = gradient,
    .reference = reference,
    .cases = {{{{"lse", {2, 9}}, {"target", {2, 9}}, {"targets", {2, 9}}}, {}, {{"targets", {-1, 2}}}}},
};
}  // namespace corral::graph
