#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// y = ids - first for ids in first ... first + count - 1, the elements that this rank has; -1 for all others, which operations on ids treat
// as no id. The partition adds it before an input of ids whose factor is cut.

std::vector<TensorType> shape(const ShapeCall& op) {
  op.require(op["first"] == Shape{1}, "first", "needs shape [1]");
  if (op.integer("count") < 0) fail("{}: count = {}, expected 0 or more", op.where(), op.integer("count"));
  return {{DType::I32, op["ids"]}};
}

void reference(const RefCall& op) {
  const auto ids = op.in("ids"), first = op.in("first");
  const auto y = op.out("y");
  for (size_t i = 0; i < y.size(); ++i) {
    const double local = ids[i] - first[0];
    y[i] = local >= 0 && local < static_cast<double>(op.integer("count")) ? local : -1;
  }
}
}  // namespace

extern const OpDef local_ids;
const OpDef local_ids{
    .name = "local_ids",
    .axes = {{"", "ids: ..., first: one -> y: ..."}},
    .attrs = {{"count", AttrKind::kInteger}},
    .types = {{"ids", DType::I32}, {"first", DType::I64}, {"y", DType::I32}},
    .shape = shape,
    .reference = reference,
    .cases = {{{{"ids", {2, 9}}, {"first", {1}}}, {{"count", attribute(int64_t{4})}}, {{"ids", {-1, 12}}}, {{"first", {5}}}},
              {{{"ids", {5}}, {"first", {1}}}, {{"count", attribute(int64_t{0})}}, {{"ids", {0, 3}}}, {{"first", {0}}}}},
};
}  // namespace corral::graph
