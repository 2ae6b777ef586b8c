#include "kernel/graph/conversion.h"

namespace corral::graph {
namespace {
// y = this rank's part along an axis of what all_reduce gives: cut from partial.

std::vector<TensorType> shape(const ShapeCall& op) {
  require_reduction(op);
  return {{op.dtype("x"), cut(op, op["x"], "axis", order_of(op))}};
}

void exchange(std::span<const RefCall> ranks) {
  require_ranks(ranks);
  for (size_t to = 0; to < ranks.size(); ++to)
    each_of_part(ranks[to].shape("x"), ranks[to].integer("axis"), ranks.size(), to, order_of(ranks[to]),
                 [&](size_t in_part, size_t in_whole) { ranks[to].out("y")[in_part] = reduced(ranks, in_whole); });
}
}  // namespace

extern const OpDef reduce_scatter;
const OpDef reduce_scatter{
    .name = "reduce_scatter",
    .axes = {{"", "x: ... -> y: ..."}},
    .attrs = {kMesh, kAxis, kParts, kOrder, kReduction},
    .shape = shape,
    .reference = exchange_alone,
    .exchange = exchange,
    .cuts = true,
    .cases = {{{{"x", {4, 3}}}, {{"axis", attribute(int64_t{0})}, {"reduction", attribute(std::string("sum"))}}}},
};
}  // namespace corral::graph
