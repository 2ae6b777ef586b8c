#include <algorithm>
#include <cmath>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// Gradient of attention with the probabilities made anew from lse.  arXiv:2205.14135

std::vector<TensorType> shape(const ShapeCall& op) {
  const Shape &q = op["q"], &k = op["k"];
  const int64_t head_dim = op.integer("head_dim");
  op.require(q.size() == 3 && k.size() == 3, "q", "q and k need three axes: rows, places, features");
  op.require(head_dim > 0 && q[2] % head_dim == 0 && k[2] % head_dim == 0, "q", "features of q and k are no multiple of head_dim");
  op.require(k[2] > 0 && q[2] % k[2] == 0, "k", "query heads are no multiple of key heads");
  op.require(op["v"] == k, "v", "needs the shape of k");
  op.require(k[0] == q[0] && k[1] == q[1], "k", "needs the rows and places of q");
  op.require(op["first_key"] == Shape{q[0], q[1]}, "first_key", "needs one for each place of q");
  op.require(op["y"] == q, "y", "needs the shape of q");
  op.require(op["dy"] == q, "dy", "needs the shape of q");
  op.require(op["lse"] == Shape{q[0], q[1], q[2] / head_dim}, "lse", "needs one for each place and head of q");
  return {{op.dtype("dy"), q}, {op.dtype("dy"), k}, {op.dtype("dy"), k}};
}

void reference(const RefCall& op) {
  const auto q = op.in("q"), k = op.in("k"), v = op.in("v"), first = op.in("first_key"), y = op.in("y"), lse = op.in("lse"),
             dy = op.in("dy");
  const auto dq = op.out("dq"), dk = op.out("dk"), dv = op.out("dv");
  const auto T = static_cast<size_t>(op.shape("q")[1]), H = static_cast<size_t>(op.shape("q")[2]),
             G = static_cast<size_t>(op.shape("k")[2]);
  const auto D = static_cast<size_t>(op.integer("head_dim"));
  const size_t heads = H / D, group = H / G;
  for (const auto& zeroed : {dq, dk, dv}) std::fill(zeroed.begin(), zeroed.end(), 0);
  for (size_t i = 0; i < first.size(); ++i)
    for (size_t h = 0; h < heads; ++h) {
      const size_t row = i / T * T, t = i - row, at_q = i * H + h * D, at_k = h / group * D;
      double inner = 0;
      for (size_t d = 0; d < D; ++d) inner += dy[at_q + d] * y[at_q + d];
      for (size_t s = static_cast<size_t>(first[i]); s <= t; ++s) {
        const size_t at_s = (row + s) * G + at_k;
        double score = 0, dp = 0;
        for (size_t d = 0; d < D; ++d) {
          score += q[at_q + d] * k[at_s + d];
          dp += dy[at_q + d] * v[at_s + d];
        }
        const double p = std::exp(op.attr("scale") * score - lse[i * heads + h]), ds = p * (dp - inner) * op.attr("scale");
        for (size_t d = 0; d < D; ++d) {
          dq[at_q + d] += ds * k[at_s + d];
          dk[at_s + d] += ds * q[at_q + d];
          dv[at_s + d] += p * dy[at_q + d];
        }
      }
    }
}
}  // namespace

extern const OpDef attention_backward;
const OpDef attention_backward{
    .name = "attention_backward",
    .axes = {{"", "q: b t h, k: b s h, v: b s h, first_key: b t, y: b t h, lse: b t h, dy: b t h -> dq: b t h, dk: b s h, dv: b s h"}},
    .whole = "s",
    .attrs = {{"head_dim", AttrKind::kInteger}, {"scale", AttrKind::kNumber, 1}},
    .types = {{"first_key", DType::I32}, {"lse", DType::F32}},
    .shape = shape,
    .reference = reference,
    .activations = {"dq", "dk", "dv"},
    .linear_in = {"dy"},
    .cases = {{{{"q", {2, 5, 12}},
                {"k", {2, 5, 4}},
                {"v", {2, 5, 4}},
                {"first_key", {2, 5}},
                {"y", {2, 5, 12}},
                {"lse", {2, 5, 3}},
                {"dy", {2, 5, 12}}},
               {{"head_dim", attribute(int64_t{4})}, {"scale", attribute(0.5)}},
               {{"lse", {1, 2}}},
               {{"first_key", {0, 0, 0, 3, 3, 0, 1, 1, 1, 4}}}},
              {{{"q", {1, 70, 64}},
                {"k", {1, 70, 32}},
                {"v", {1, 70, 32}},
                {"first_key", {1, 70}},
                {"y", {1, 70, 64}},
                {"lse", {1, 70, 2}},
                {"dy", {1, 70, 64}}},
               {{"head_dim", attribute(int64_t{32})}, {"scale", attribute(0.18)}},
               {{"lse", {3, 4}}, {"first_key", {0, 1}}}},
              {{{"q", {1, 150, 128}},
                {"k", {1, 150, 64}},
                {"v", {1, 150, 64}},
                {"first_key", {1, 150}},
                {"y", {1, 150, 128}},
                {"lse", {1, 150, 2}},
                {"dy", {1, 150, 128}}},
               {{"head_dim", attribute(int64_t{64})}, {"scale", attribute(0.125)}},
               {{"lse", {4, 5}}, {"first_key", {0, 1}}}},
              // More keys than a block of a device holds.
              {{{"q", {1, 300, 24}},
                {"k", {1, 300, 8}},
                {"v", {1, 300, 8}},
                {"first_key", {1, 300}},
                {"y", {1, 300, 24}},
                {"lse", {1, 300, 3}},
                {"dy", {1, 300, 24}}},
               {{"head_dim", attribute(int64_t{8})}, {"scale", attribute(0.35)}},
               {{"lse", {5, 6}}, {"first_key", {0, 1}}}}},
};
}  // namespace corral::graph
