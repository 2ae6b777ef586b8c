#include "kernel/graph/conversion.h"

namespace corral::graph {
namespace {
// y = whole along axis `from`, which was cut, and cut along axis `to`, which was whole: rank r sends its part s along `to` to rank s.

std::vector<TensorType> shape(const ShapeCall& op) {
  op.require(op.integer("from") != op.integer("to"), "x", "the axes from and to are one");
  return {{op.dtype("x"), cut(op, cut(op, op["x"], "to", order_of(op, "to_order")), "from", order_of(op, "from_order"), true)}};
}

void exchange(std::span<const RefCall> ranks) {
  require_ranks(ranks);
  const size_t parts = ranks.size();
  const Shape &x = ranks[0].shape("x"), &y = ranks[0].shape("y");
  Shape piece = x;  // one rank sends it to another
  piece[static_cast<size_t>(ranks[0].integer("to"))] /= static_cast<int64_t>(parts);
  std::vector<double> sent(static_cast<size_t>(elements(piece)));
  for (size_t from = 0; from < parts; ++from)
    for (size_t to = 0; to < parts; ++to) {
      each_of_part(x, ranks[0].integer("to"), parts, to, order_of(ranks[0], "to_order"),
                   [&](size_t in_part, size_t in_whole) { sent[in_part] = ranks[from].in("x")[in_whole]; });
      each_of_part(y, ranks[0].integer("from"), parts, from, order_of(ranks[0], "from_order"),
                   [&](size_t in_part, size_t in_whole) { ranks[to].out("y")[in_whole] = sent[in_part]; });
    }
}
}  // namespace

extern const OpDef all_to_all;
const OpDef all_to_all{
    .name = "all_to_all",
    .axes = {{"", "x: ... -> y: ..."}},
    .attrs = {kMesh,
              {"from", AttrKind::kInteger},
              {"to", AttrKind::kInteger},
              {"from_order", AttrKind::kText},
              {"to_order", AttrKind::kText},
              kParts},
    .classes = {{"x", TypeClass::kFloatingOrLow}, {"y", TypeClass::kFloatingOrLow}},
    .shape = shape,
    .reference = exchange_alone,
    .exchange = exchange,
    .cuts = true,
    .cases = {{{{"x", {2, 4, 3}}}, {{"from", attribute(int64_t{1})}, {"to", attribute(int64_t{2})}}}},
};
}  // namespace corral::graph
