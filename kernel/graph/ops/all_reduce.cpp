#include "kernel/graph/conversion.h"

namespace corral::graph {
namespace {
// y = the sum, max or log_sum_exp of x over all ranks, element by element: same from partial.

std::vector<TensorType> shape(const ShapeCall& op) {
  require_reduction(op);
  parts_of(op);
  return {{op.dtype("x"), op["x"]}};
}

void exchange(std::span<const RefCall> ranks) {
  require_ranks(ranks);
  for (const RefCall& to : ranks)
    for (size_t i = 0; i < to.out("y").size(); ++i) to.out("y")[i] = reduced(ranks, i);
}
}  // namespace

extern const OpDef all_reduce;
const OpDef all_reduce{
    .name = "all_reduce",
    .axes = {{"", "x: ... -> y: ..."}},
    .attrs = {kMesh, kParts, kReduction},
    .shape = shape,
    .reference = exchange_alone,
    .exchange = exchange,
    .cases = {{{{"x", {2, 3}}}, {{"reduction", attribute(std::string("sum"))}}},
              {{{"x", {2, 3}}}, {{"reduction", attribute(std::string("log_sum_exp"))}}}},
};
}  // namespace corral::graph
