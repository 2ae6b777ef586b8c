#include "kernel/graph/attention.h"

#include <cmath>

namespace corral::graph {
namespace {
// Attention of grouped heads: a token position sees the keys first_key ... last_key as k contains them, and none where last_key is less.
// arXiv:1706.03762, arXiv:2305.13245.  In training q and k have the same token positions, and last_key is the query's own one. Over a cache
// last_key is the index at which its key was written. Over a part of the keys it is the last visible one of that part.
// lse is the log of the sum of exp(score). The gradient needs it, and it joins the results of several parts of the keys.
// texts is the most texts that a sequence contains, 0 if unknown. 1 promises that k and q have the same token positions, that first_key is
// 0 and that last_key is the query's own position everywhere.

std::vector<TensorType> shape(const ShapeCall& op) {
  check_attention(op);
  const Shape& q = op["q"];
  return {{op.dtype("q"), q}, {DType::F32, {q[0], q[1], q[2] / op.integer("head_dim")}}};
}

void gradient(GradCall& op) {
  if (!op.needs("q") && !op.needs("k") && !op.needs("v")) return;
  const auto d =
      op.emit("attention_backward",
              {op.in("q"), op.in("k"), op.in("v"), op.in("first_key"), op.in("last_key"), op.out("y"), op.out("lse"), op.dout("y")},
              {op.same("head_dim"), op.same("scale"), op.same("texts")});
  op.set("q", d[0]);
  op.set("k", d[1]);
  op.set("v", d[2]);
}

void reference(const RefCall& op) {
  const AttentionSizes z(op);
  const auto q = op.in("q"), k = op.in("k"), v = op.in("v"), first = op.in("first_key"), last = op.in("last_key");
  const auto y = op.out("y"), rounded = op.rounded("y");
  std::vector<double> p(z.S);
  for (size_t i = 0; i < first.size(); ++i)
    for (size_t h = 0; h < z.heads; ++h) {
      const SeenKeys seen(first[i], last[i], z.S);
      const size_t at_q = i * z.H + h * z.D, at_k = i / z.T * z.S * z.G + h / z.heads_of_group * z.D;
      double largest = -HUGE_VAL, sum = 0;
      for (size_t s = seen.begin; s < seen.end; ++s) {
        p[s] = 0;
        for (size_t d = 0; d < z.D; ++d) p[s] += op.attr("scale") * q[at_q + d] * k[at_k + s * z.G + d];
        largest = std::max(largest, p[s]);
      }
      for (size_t s = seen.begin; s < seen.end; ++s) sum += std::exp(p[s] - largest);
      const double lse = largest + std::log(sum);
      if (op.writes("lse")) op.out("lse")[i * z.heads + h] = lse;
      for (size_t d = 0; d < z.D; ++d) {
        double value = 0, magnitude = 0;  // a device may round the probabilities
        for (size_t s = seen.begin; s < seen.end; ++s) {
          const double term = std::exp(p[s] - lse) * v[at_k + s * z.G + d];
          value += term, magnitude += std::fabs(term);
        }
        y[at_q + d] = value;
        if (!rounded.empty()) rounded[at_q + d] = magnitude;
      }
    }
}

Case of(int64_t sequences, int64_t queries, int64_t keys, int64_t heads, int64_t groups, int64_t head_dim) {
  const Shape k{sequences, keys, groups * head_dim}, bound{sequences, queries};
  return {{{"q", {sequences, queries, heads * head_dim}}, {"k", k}, {"v", k}, {"first_key", bound}, {"last_key", bound}},
          {{"head_dim", attribute(head_dim)}, {"scale", attribute(1.1 / std::sqrt(static_cast<double>(head_dim)))}}};
}

// Each token position sees what is before it and belongs to its own text; the texts of all sequences begin at `starts`.
Case in_texts(Case c, const std::vector<int64_t>& starts = {0}) {
  const Shape bound = c.shapes.at("last_key");
  for (int64_t i = 0; i < elements(bound); ++i) {
    const int64_t t = i % bound[1];
    c.values["last_key"].push_back(static_cast<double>(t));
    c.values["first_key"].push_back(static_cast<double>(*std::prev(std::upper_bound(starts.begin(), starts.end(), t))));
  }
  return c;
}

Case with(Case c, std::vector<double> first_key, std::vector<double> last_key) {
  c.values["first_key"] = std::move(first_key);
  c.values["last_key"] = std::move(last_key);
  return c;
}

// The queries of two sequences over a cache: of the first they begin at `begin`, the second has `count` of them and then padding.
Case over_cache(Case c, int64_t begin, int64_t count) {
  const int64_t queries = c.shapes.at("q")[1];
  c.ranges["first_key"] = {0, 1};
  for (int64_t t = 0; t < 2 * queries; ++t)
    c.values["last_key"].push_back(static_cast<double>(t < queries ? begin + t : t - queries < count ? t - queries : -1));
  return c;
}
}  // namespace

extern const OpDef attention;
const OpDef attention{
    .name = "attention",
    .axes = {{"",
              "q: b t g*r*head_dim, k: b s g*head_dim, v: b s g*head_dim, first_key: b t, last_key: b t "
              "-> y: b t g*r*head_dim, lse?: b t g*r"}},
    .whole = "s",
    .promises = {{"texts", "t"}},  // the queries of a part are not those of the keys
    .attrs = {{"head_dim", AttrKind::kInteger}, {"scale", AttrKind::kNumber, 1}, {"texts", AttrKind::kInteger}},
    .types = {{"first_key", DType::I32}, {"last_key", DType::I32}, {"lse", DType::F32}},
    .shape = shape,
    .gradient = gradient,
    .reference = reference,
    .activations = {"y"},
    .cases = {in_texts(of(2, 5, 5, 6, 2, 4)), in_texts(of(1, 1, 1, 1, 1, 6)), in_texts(of(1, 37, 37, 2, 1, 20)),
              in_texts(of(2, 7, 7, 2, 1, 8), {0, 3, 5, 6}), in_texts(of(1, 150, 150, 2, 1, 64)),
              // More keys than a block of a device has, and a second text that begins within one.
              in_texts(of(1, 330, 330, 3, 1, 8), {0, 40}),
              // Queries of another part than the keys: all keys, some, none.
              with(of(1, 4, 6, 2, 2, 4), {0, 1, 5, 3}, {5, 3, 7, 2}),
              // One query after a cache, and many; padding in the second sequence.
              over_cache(of(2, 1, 9, 3, 1, 4), 6, 1), over_cache(of(2, 1, 70, 2, 2, 32), 65, 0), over_cache(of(2, 4, 9, 2, 1, 8), 2, 2),
              over_cache(of(2, 40, 330, 3, 1, 8), 280, 11)},
};
}  // namespace corral::graph
