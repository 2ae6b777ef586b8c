#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// dlse = dlosses, dtarget = -dlosses; both 0 if there is no target.

std::vector<TensorType> shape(const ShapeCall& op) {
  op.require(op["dlosses"] == op["targets"], "dlosses", "needs the shape of targets");
  return {{DType::F32, op["targets"]}, {DType::F32, op["targets"]}};
}

void reference(const RefCall& op) {
  const auto targets = op.in("targets"), dlosses = op.in("dlosses");
  const auto dlse = op.out("dlse"), dtarget = op.out("dtarget");
  for (size_t i = 0; i < dlse.size(); ++i) {
    dlse[i] = targets[i] < 0 ? 0 : dlosses[i];
    dtarget[i] = -dlse[i];
  }
}
}  // namespace

extern const OpDef token_loss_backward;
const OpDef token_loss_backward{
    .name = "token_loss_backward",
    .axes = {{"", "targets: b t, dlosses: b t -> dlse: b t, dtarget: b t"}},
    .linear_in = {"dlosses"},
    .types = {{"targets", DType::I32}, {"dlosses", DType::F32}, {"dlse", DType::F32}, {"dtarget", DType::F32}},
    .shape = shape,
    .reference = reference,
    .cases = {{{{"targets", {2, 9}}, {"dlosses", {2, 9}}}, {}, {{"targets", {-1, 2}}}}},
};
}  // namespace corral::graph
