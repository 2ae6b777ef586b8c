#include <algorithm>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// Writes the keys or the values of new token positions into a cache at their positions. A negative position is padding and is not written.

std::vector<TensorType> shape(const ShapeCall& op) {
  const Shape &x = op["x"], &cache = op["cache"];
  op.require(x.size() == 3, "x", "needs three axes: sequences, token positions, features");
  op.require(op["positions"] == Shape{x[0], x[1]}, "positions", "needs one for each token position of x");
  op.require(cache.size() == 3 && cache[0] == x[0] && cache[2] == x[2], "cache", "needs the sequences and features of x");
  return {{op.dtype("cache"), cache}};
}

void reference(const RefCall& op) {
  const auto x = op.in("x"), positions = op.in("positions"), before = op.in("cache");
  const auto cache = op.out("cache_out");
  const auto T = static_cast<size_t>(op.shape("x")[1]), N = static_cast<size_t>(op.shape("x")[2]),
             S = static_cast<size_t>(op.shape("cache")[1]);
  if (before.data() != cache.data()) std::copy(before.begin(), before.end(), cache.begin());
  for (size_t i = 0; i < positions.size(); ++i)
    for (size_t n = 0; n < N && positions[i] >= 0 && positions[i] < static_cast<double>(S); ++n)
      cache[(i / T * S + static_cast<size_t>(positions[i])) * N + n] = x[i * N + n];
}
}  // namespace

extern const OpDef write_cache;
const OpDef write_cache{
    .name = "write_cache",
    .axes = {{"", "x: b t n, positions: b t, cache: b s n -> cache_out: b s n"}},
    .whole = "t",
    .linear_in = {"x cache"},
    .ids = {{"positions", "s"}},
    .types = {{"positions", DType::I32}},
    .shape = shape,
    .reference = reference,
    .updates = {{"cache_out", "cache"}},
    .cases = {{{{"x", {2, 1, 4}}, {"positions", {2, 1}}, {"cache", {2, 9, 4}}}, {}, {}, {{"positions", {8, -1}}}},
              {{{"x", {2, 4, 8}}, {"positions", {2, 4}}, {"cache", {2, 9, 8}}}, {}, {}, {{"positions", {2, 3, 4, 5, -1, -1, 0, 1}}}},
              {{{"x", {2, 9, 700}}, {"positions", {2, 9}}, {"cache", {2, 20, 700}}},
               {},
               {},
               {{"positions", {11, 12, 13, 14, 15, 16, 17, 18, 19, 0, 1, 2, 3, -1, -1, -1, -1, -1}}}}},
};
}  // namespace corral::graph
