#include <cmath>

#include "kernel/graph/attention.h"

namespace corral::graph {
namespace {
// Gradient of attention; computes the probabilities again from lse.  arXiv:2205.14135

std::vector<TensorType> shape(const ShapeCall& op) {
  check_attention(op);
  const Shape &q = op["q"], &k = op["k"];
  op.require(op["y"] == q, "y", "needs the shape of q");
  op.require(op["dy"] == q, "dy", "needs the shape of q");
  op.require(op["lse"] == Shape{q[0], q[1], q[2] / op.integer("head_dim")}, "lse", "needs one for each token position and head of q");
  return {{op.dtype("dy"), q}, {op.dtype("dy"), k}, {op.dtype("dy"), k}};
}

void reference(const RefCall& op) {
  const AttentionSizes z(op);
  const auto q = op.in("q"), k = op.in("k"), v = op.in("v"), first = op.in("first_key"), last = op.in("last_key"), y = op.in("y"),
             lse = op.in("lse"), dy = op.in("dy");
  const auto dq = op.out("dq"), dk = op.out("dk"), dv = op.out("dv");
  const auto rounded_dq = op.rounded("dq"), rounded_dk = op.rounded("dk"), rounded_dv = op.rounded("dv");
  for (const auto& zeroed : {dq, dk, dv, rounded_dq, rounded_dk, rounded_dv}) std::fill(zeroed.begin(), zeroed.end(), 0);
  // A device may round the probabilities and the gradients of scores.
  const auto add = [](std::span<double> total, std::span<double> rounded, size_t at, double term) {
    total[at] += term;
    if (!rounded.empty()) rounded[at] += std::fabs(term);
  };
  for (size_t i = 0; i < first.size(); ++i)
    for (size_t h = 0; h < z.heads; ++h) {
      const SeenKeys seen(first[i], last[i], z.S);
      const size_t at_q = i * z.H + h * z.D, at_k = i / z.T * z.S * z.G + h / z.heads_of_group * z.D;
      double inner = 0;
      for (size_t d = 0; d < z.D; ++d) inner += dy[at_q + d] * y[at_q + d];
      for (size_t s = seen.begin; s < seen.end; ++s) {
        const size_t at_s = at_k + s * z.G;
        double score = 0, dp = 0;
        for (size_t d = 0; d < z.D; ++d) {
          score += q[at_q + d] * k[at_s + d];
          dp += dy[at_q + d] * v[at_s + d];
        }
        const double p = std::exp(op.attr("scale") * score - lse[i * z.heads + h]), ds = p * (dp - inner) * op.attr("scale");
        for (size_t d = 0; d < z.D; ++d) {
          add(dq, rounded_dq, at_q + d, ds * k[at_s + d]);
          add(dk, rounded_dk, at_s + d, ds * q[at_q + d]);
          add(dv, rounded_dv, at_s + d, p * dy[at_q + d]);
        }
      }
    }
}

// lse is such that the probabilities of `about` keys have a sum near 1.
Case of(int64_t sequences, int64_t queries, int64_t keys, int64_t heads, int64_t groups, int64_t head_dim, double about) {
  const Shape q{sequences, queries, heads * head_dim}, k{sequences, keys, groups * head_dim}, bound{sequences, queries};
  Case c{
      {{"q", q}, {"k", k}, {"v", k}, {"first_key", bound}, {"last_key", bound}, {"y", q}, {"lse", {sequences, queries, heads}}, {"dy", q}},
      {{"head_dim", attribute(head_dim)}, {"scale", attribute(1 / std::sqrt(static_cast<double>(head_dim)))}},
      {{"lse", {std::log(about), std::log(about) + 1}}, {"first_key", {0, 1}}}};
  for (int64_t i = 0; i < sequences * queries; ++i) c.values["last_key"].push_back(static_cast<double>(i % queries));
  return c;
}

Case with(Case c, std::vector<double> first_key, std::vector<double> last_key = {}) {
  c.values["first_key"] = std::move(first_key);
  if (!last_key.empty()) c.values["last_key"] = std::move(last_key);
  return c;
}
}  // namespace

extern const OpDef attention_backward;
const OpDef attention_backward{
    .name = "attention_backward",
    .axes = {{"",
              "q: b t g*r*head_dim, k: b s g*head_dim, v: b s g*head_dim, first_key: b t, last_key: b t, y: b t g*r*head_dim, "
              "lse: b t g*r, dy: b t g*r*head_dim -> dq: b t g*r*head_dim, dk: b s g*head_dim, dv: b s g*head_dim"}},
    .whole = "s",
    .linear_in = {"dy"},
    .promises = {{"texts", "t"}},  // the queries of a part are not those of the keys
    .attrs = {{"head_dim", AttrKind::kInteger}, {"scale", AttrKind::kNumber, 1}, {"texts", AttrKind::kInteger}},
    .types = {{"first_key", DType::I32}, {"last_key", DType::I32}, {"lse", DType::F32}},
    .shape = shape,
    .reference = reference,
    .activations = {"dq", "dk", "dv"},
    .cases = {with(of(2, 5, 5, 6, 2, 4, 4), {0, 0, 0, 3, 3, 0, 1, 1, 1, 4}), of(1, 70, 70, 2, 1, 32, 30), of(1, 150, 150, 2, 1, 64, 60),
              // More keys than a block of a device has.
              of(1, 300, 300, 3, 1, 8, 150),
              // Queries of another part than the keys: all keys, some, none.
              with(of(1, 4, 6, 2, 1, 4, 4), {0, 1, 5, 3}, {5, 3, 7, 2})},
};
}  // namespace corral::graph
