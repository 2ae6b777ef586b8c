#include <algorithm>
#include <cmath>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// Causal attention of grouped heads: place t sees the keys first_key[t] ... t.  arXiv:1706.03762, arXiv:2305.13245
// Cutting h cuts whole heads in q, k and v alike. lse is the log of the sum of exp(score), kept for the gradient.

std::vector<TensorType> shape(const ShapeCall& op) {
  const Shape &q = op["q"], &k = op["k"];
  const int64_t head_dim = op.integer("head_dim");
  op.require(q.size() == 3 && k.size() == 3, "q", "q and k need three axes: rows, places, features");
  op.require(head_dim > 0 && q[2] % head_dim == 0 && k[2] % head_dim == 0, "q", "features of q and k are no multiple of head_dim");
  op.require(k[2] > 0 && q[2] % k[2] == 0, "k", "query heads are no multiple of key heads");
  op.require(op["v"] == k, "v", "needs the shape of k");
  op.require(k[0] == q[0] && k[1] == q[1], "k", "needs the rows and places of q");
  op.require(op["first_key"] == Shape{q[0], q[1]}, "first_key", "needs one for each place of q");
  return {{op.dtype("q"), q}, {DType::F32, {q[0], q[1], q[2] / head_dim}}};
}

void gradient(GradCall& op) {
  if (!op.needs("q") && !op.needs("k") && !op.needs("v")) return;
  const auto d =
      op.emit("attention_backward", {op.in("q"), op.in("k"), op.in("v"), op.in("first_key"), op.out("y"), op.out("lse"), op.dout("y")},
              {op.same("head_dim"), op.same("scale")});
  op.set("q", d[0]);
  op.set("k", d[1]);
  op.set("v", d[2]);
}

void reference(const RefCall& op) {
  const auto q = op.in("q"), k = op.in("k"), v = op.in("v"), first = op.in("first_key");
  const auto y = op.out("y"), lse = op.out("lse");
  const auto T = static_cast<size_t>(op.shape("q")[1]), H = static_cast<size_t>(op.shape("q")[2]),
             G = static_cast<size_t>(op.shape("k")[2]);
  const auto D = static_cast<size_t>(op.integer("head_dim"));
  const size_t heads = H / D, group = H / G;
  std::vector<double> p(T);
  for (size_t i = 0; i < first.size(); ++i) {
    const size_t row = i / T * T, t = i - row;
    for (size_t h = 0; h < heads; ++h) {
      const size_t at_q = i * H + h * D, at_k = h / group * D;
      const auto begin = static_cast<size_t>(first[i]);
      double largest = -INFINITY, sum = 0;
      for (size_t s = begin; s <= t; ++s) {
        p[s] = 0;
        for (size_t d = 0; d < D; ++d) p[s] += q[at_q + d] * k[(row + s) * G + at_k + d];
        p[s] *= op.attr("scale");
        largest = std::max(largest, p[s]);
      }
      for (size_t s = begin; s <= t; ++s) sum += std::exp(p[s] - largest);
      lse[i * heads + h] = largest + std::log(sum);
      for (size_t d = 0; d < D; ++d) {
        double value = 0;
        for (size_t s = begin; s <= t; ++s) value += std::exp(p[s] - lse[i * heads + h]) * v[(row + s) * G + at_k + d];
        y[at_q + d] = value;
      }
    }
  }
}

std::vector<double> two_documents(size_t places, size_t second) {
  std::vector<double> first_key(places, 0);
  std::fill(first_key.begin() + static_cast<std::ptrdiff_t>(second), first_key.end(), static_cast<double>(second));
  return first_key;
}
}  // namespace

extern const OpDef attention;
const OpDef attention{
    .name = "attention",
    .axes = {{"", "q: b t h, k: b s h, v: b s h, first_key: b t -> y: b t h, lse: b t h"}},
    .whole = "s",
    .attrs = {{"head_dim", AttrKind::kInteger}, {"scale", AttrKind::kNumber, 1}},
    .types = {{"first_key", DType::I32}, {"lse", DType::F32}},
    .shape = shape,
    .gradient = gradient,
    .reference = reference,
    .activations = {"y"},
    .cases = {{{{"q", {2, 5, 12}}, {"k", {2, 5, 4}}, {"v", {2, 5, 4}}, {"first_key", {2, 5}}},
               {{"head_dim", attribute(int64_t{4})}, {"scale", attribute(0.5)}},
               {{"first_key", {0, 1}}}},
              {{{"q", {1, 1, 6}}, {"k", {1, 1, 6}}, {"v", {1, 1, 6}}, {"first_key", {1, 1}}},
               {{"head_dim", attribute(int64_t{6})}, {"scale", attribute(0.4)}},
               {{"first_key", {0, 1}}}},
              {{{"q", {1, 37, 40}}, {"k", {1, 37, 20}}, {"v", {1, 37, 20}}, {"first_key", {1, 37}}},
               {{"head_dim", attribute(int64_t{20})}, {"scale", attribute(0.22)}},
               {{"first_key", {0, 1}}}},
              // Rows of several documents.
              {{{"q", {2, 7, 16}}, {"k", {2, 7, 8}}, {"v", {2, 7, 8}}, {"first_key", {2, 7}}},
               {{"head_dim", attribute(int64_t{8})}, {"scale", attribute(0.35)}},
               {},
               {{"first_key", {0, 0, 0, 3, 3, 5, 5, 0, 1, 2, 2, 2, 2, 6}}}},
              {{{"q", {1, 150, 128}}, {"k", {1, 150, 64}}, {"v", {1, 150, 64}}, {"first_key", {1, 150}}},
               {{"head_dim", attribute(int64_t{64})}, {"scale", attribute(0.125)}},
               {{"first_key", {0, 1}}}},
              // More keys than a block of a device holds, and a second document that begins within one.
              {{{"q", {1, 330, 24}}, {"k", {1, 330, 8}}, {"v", {1, 330, 8}}, {"first_key", {1, 330}}},
               {{"head_dim", attribute(int64_t{8})}, {"scale", attribute(0.35)}},
               {},
               {{"first_key", two_documents(330, 40)}}}},
};
}  // namespace corral::graph
