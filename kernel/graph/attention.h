// Shared by attention and its gradient: shapes, and the keys that a token position sees.
#pragma once

#include <algorithm>

#include "kernel/graph/op.h"

namespace corral::graph {

// B sequences of T queries and S keys. A query has H = heads x D features, a key G = groups x D; heads / groups heads share a key.
struct AttentionSizes {
  size_t T, S, H, G, D, heads, heads_of_group;
  explicit AttentionSizes(const RefCall& op)
      : T(static_cast<size_t>(op.shape("q")[1])),
        S(static_cast<size_t>(op.shape("k")[1])),
        H(static_cast<size_t>(op.shape("q")[2])),
        G(static_cast<size_t>(op.shape("k")[2])),
        D(static_cast<size_t>(op.integer("head_dim"))),
        heads(H / D),
        heads_of_group(H / G) {}
};

// Keys begin … end - 1; none where end <= begin.
struct SeenKeys {
  size_t begin, end;
  SeenKeys(double first_key, double last_key, size_t keys)
      : begin(static_cast<size_t>(std::max(first_key, 0.0))),
        end(static_cast<size_t>(std::clamp(last_key + 1, 0.0, static_cast<double>(keys)))) {}
};

// Checks q, k, v, first_key and last_key.
inline void check_attention(const ShapeCall& op) {
  const Shape &q = op["q"], &k = op["k"];
  const int64_t head_dim = op.integer("head_dim");
  op.require(q.size() == 3 && k.size() == 3, "q", "q and k need three axes: sequences, token positions, features");
  op.require(head_dim > 0 && q[2] % head_dim == 0 && k[2] % head_dim == 0, "q", "features of q and k are not a multiple of head_dim");
  op.require(k[2] > 0 && q[2] % k[2] == 0, "k", "query heads are not a multiple of key heads");
  op.require(op["v"] == k, "v", "needs the shape of k");
  op.require(k[0] == q[0], "k", "needs the sequences of q");
  for (const char* bound : {"first_key", "last_key"}) op.require(op[bound] == Shape{q[0], q[1]}, bound, "needs one for each query");
  op.require(op.integer("texts") != 1 || k[1] == q[1], "k", "needs the token positions of q where texts = 1");
  if (op.integer("texts") < 0) fail("{}: texts = {}, expected 0 (not known) or more", op.where(), op.integer("texts"));
}

}  // namespace corral::graph
