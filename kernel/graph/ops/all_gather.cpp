#include "kernel/graph/conversion.h"

namespace corral::graph {
namespace {
// y = the parts of all ranks side by side along an axis: same from cut.

std::vector<TensorType> shape(const ShapeCall& op) { return {{op.dtype("x"), cut(op, op["x"], "axis", order_of(op), true)}}; }

void exchange(std::span<const RefCall> ranks) {
  require_ranks(ranks);
  for (const RefCall& to : ranks)
    for (size_t from = 0; from < ranks.size(); ++from)
      each_of_part(to.shape("y"), to.integer("axis"), ranks.size(), from, order_of(to),
                   [&](size_t in_part, size_t in_whole) { to.out("y")[in_whole] = ranks[from].in("x")[in_part]; });
}
}  // namespace

extern const OpDef all_gather;
const OpDef all_gather{
    .name = "all_gather",
    .axes = {{"", "x: ... -> y: ..."}},
    .attrs = {kMesh, kAxis, kParts, kOrder},
    .classes = {{"x", TypeClass::kFloatingOrLow}, {"y", TypeClass::kFloatingOrLow}},
    .shape = shape,
    .reference = exchange_alone,
    .exchange = exchange,
    .cuts = true,
    .cases = {{{{"x", {2, 3}}}, {{"axis", attribute(int64_t{1})}}}},
};
}  // namespace corral::graph
