#include <algorithm>
#include <cmath>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// Attention over a cache: k and v of the new places are written at their positions, then the place at position p sees the cached keys
// first_key ... p. A negative position is padding: nothing is written, y is 0.

std::vector<TensorType> shape(const ShapeCall& op) {
  const Shape &q = op["q"], &k = op["k"], &cache = op["key_cache"];
  const int64_t head_dim = op.integer("head_dim");
  op.require(q.size() == 3 && k.size() == 3, "q", "q and k need three axes: rows, places, features");
  op.require(head_dim > 0 && q[2] % head_dim == 0 && k[2] % head_dim == 0, "q", "features of q and k are no multiple of head_dim");
  op.require(k[2] > 0 && q[2] % k[2] == 0, "k", "query heads are no multiple of key heads");
  op.require(op["v"] == k, "v", "needs the shape of k");
  op.require(k[0] == q[0] && k[1] == q[1], "k", "needs the rows and places of q");
  op.require(op["positions"] == Shape{q[0], q[1]} && op["first_key"] == op["positions"], "positions",
             "positions and first_key need one for each place of q");
  op.require(cache.size() == 3 && cache[0] == k[0] && cache[2] == k[2], "key_cache", "needs the rows and features of k");
  op.require(op["value_cache"] == cache, "value_cache", "needs the shape of key_cache");
  return {{op.dtype("q"), q}, {op.dtype("key_cache"), cache}, {op.dtype("value_cache"), cache}};
}

void reference(const RefCall& op) {
  const auto q = op.in("q"), k = op.in("k"), v = op.in("v"), positions = op.in("positions"), first = op.in("first_key");
  const auto y = op.out("y"), keys = op.out("key_cache_out"), values = op.out("value_cache_out");
  const auto T = static_cast<size_t>(op.shape("q")[1]), H = static_cast<size_t>(op.shape("q")[2]),
             G = static_cast<size_t>(op.shape("k")[2]);
  const auto S = static_cast<size_t>(op.shape("key_cache")[1]), D = static_cast<size_t>(op.integer("head_dim"));
  const size_t heads = H / D, group = H / G;
  const auto old_keys = op.in("key_cache"), old_values = op.in("value_cache");
  if (old_keys.data() != keys.data()) std::copy(old_keys.begin(), old_keys.end(), keys.begin());
  if (old_values.data() != values.data()) std::copy(old_values.begin(), old_values.end(), values.begin());
  for (size_t i = 0; i < positions.size(); ++i)
    for (size_t g = 0; g < G && positions[i] >= 0; ++g) {
      keys[(i / T * S + static_cast<size_t>(positions[i])) * G + g] = k[i * G + g];
      values[(i / T * S + static_cast<size_t>(positions[i])) * G + g] = v[i * G + g];
    }
  std::vector<double> p(S);
  for (size_t i = 0; i < positions.size(); ++i)
    for (size_t h = 0; h < heads; ++h) {
      const size_t at_q = i * H + h * D, at_k = i / T * S * G + h / group * D;
      for (size_t d = 0; d < D; ++d) y[at_q + d] = 0;
      if (positions[i] < 0) continue;
      const auto begin = static_cast<size_t>(first[i]), end = static_cast<size_t>(positions[i]);
      double largest = -INFINITY, sum = 0;
      for (size_t s = begin; s <= end; ++s) {
        p[s] = 0;
        for (size_t d = 0; d < D; ++d) p[s] += op.attr("scale") * q[at_q + d] * keys[at_k + s * G + d];
        largest = std::max(largest, p[s]);
      }
      for (size_t s = begin; s <= end; ++s) sum += p[s] = std::exp(p[s] - largest);
      for (size_t s = begin; s <= end; ++s)
        for (size_t d = 0; d < D; ++d) y[at_q + d] += p[s] / sum * values[at_k + s * G + d];
    }
}

// The first row begins at `begin`, the second holds `count` places and then padding.
std::vector<double> places_of_two_rows(int64_t places, int64_t begin, int64_t count) {
  std::vector<double> positions;
  for (int64_t t = 0; t < 2 * places; ++t)
    positions.push_back(static_cast<double>(t < places ? begin + t : t - places < count ? t - places : -1));
  return positions;
}
}  // namespace

extern const OpDef attention_cached;
const OpDef attention_cached{
    .name = "attention_cached",
    .axes = {{"",
              "q: b t h, k: b t h, v: b t h, positions: b t, first_key: b t, key_cache: b s h, value_cache: b s h "
              "-> y: b t h, key_cache_out: b s h, value_cache_out: b s h"}},
    .whole = "s",
    .attrs = {{"head_dim", AttrKind::kInteger}, {"scale", AttrKind::kNumber, 1}},
    .types = {{"positions", DType::I32}, {"first_key", DType::I32}},
    .shape = shape,
    .reference = reference,
    .activations = {"y"},
    .updates = {{"key_cache_out", "key_cache"}, {"value_cache_out", "value_cache"}},
    .cases = {{{{"q", {2, 1, 12}},
                {"k", {2, 1, 4}},
                {"v", {2, 1, 4}},
                {"positions", {2, 1}},
                {"first_key", {2, 1}},
                {"key_cache", {2, 9, 4}},
                {"value_cache", {2, 9, 4}}},
               {{"head_dim", attribute(int64_t{4})}, {"scale", attribute(0.5)}},
               {{"positions", {-1, 9}}, {"first_key", {0, 1}}}},
              {{{"q", {2, 1, 64}},
                {"k", {2, 1, 64}},
                {"v", {2, 1, 64}},
                {"positions", {2, 1}},
                {"first_key", {2, 1}},
                {"key_cache", {2, 70, 64}},
                {"value_cache", {2, 70, 64}}},
               {{"head_dim", attribute(int64_t{32})}, {"scale", attribute(0.18)}},
               {{"positions", {60, 70}}, {"first_key", {0, 1}}}},
              // A prefill behind what is cached; padding in the second row.
              {{{"q", {2, 4, 16}},
                {"k", {2, 4, 8}},
                {"v", {2, 4, 8}},
                {"positions", {2, 4}},
                {"first_key", {2, 4}},
                {"key_cache", {2, 9, 8}},
                {"value_cache", {2, 9, 8}}},
               {{"head_dim", attribute(int64_t{8})}, {"scale", attribute(0.35)}},
               {},
               {{"positions", {2, 3, 4, 5, -1, -1, 0, 1}}, {"first_key", {0, 0, 1, 1, 0, 0, 0, 0}}}},
              // A long one, whose second row ends early.
              {{{"q", {2, 40, 24}},
                {"k", {2, 40, 8}},
                {"v", {2, 40, 8}},
                {"positions", {2, 40}},
                {"first_key", {2, 40}},
                {"key_cache", {2, 330, 8}},
                {"value_cache", {2, 330, 8}}},
               {{"head_dim", attribute(int64_t{8})}, {"scale", attribute(0.35)}},
               {{"first_key", {0, 1}}},
               {{"positions", places_of_two_rows(40, 280, 11)}}}},
};
}  // namespace corral::graph
