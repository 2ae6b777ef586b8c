// The graph of one rank while it is made: the layouts of its tensors over one dimension of the mesh, and conversions between layouts.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "corral/graph.h"
#include "kernel/partition/cut.h"
#include "kernel/partition/layout.h"

namespace corral::partition {

// Nodes are added in the builder's scope and phase and with `when`; `at` names the current operation for messages.
class RankGraph {
 public:
  RankGraph(Graph whole, const Dimension& dimension);

  Graph g;
  GraphBuilder b;
  When when{};
  std::string at;

  const Dimension& dimension() const { return dimension_; }
  // By tensor of this graph: its layout, its shape before this cut, and whether it has integers.
  const Share& share(TensorId t) const { return shares_[t]; }
  const Shape& whole(TensorId t) const { return wholes_[t]; }
  bool is_integer(TensorId t) const { return g.tensors[t].dtype == DType::I32 || g.tensors[t].dtype == DType::I64; }
  // True if all ranks can have equal parts of an axis.
  bool divides(int64_t extent, Order order) const;

  // Sets the layout of a tensor that still has its whole shape. Throws Error if its axis cannot be cut.
  void set_share(TensorId t, const Share& share);
  // Adds a tensor with the name, the type, the whole shape and the other dimensions' layout of `t`.
  TensorId add_like(TensorId t, const Share& share);
  // Adds a state that is a partial term of the state `total`. Its sum over the ranks is written to `total`.
  TensorId add_part_of(TensorId total, const Share& share);
  // Adds what all ranks' terms sum up to, for each such state that no node has summed up yet.
  void complete_parts();

  // The tensor in another layout. Adds the conversion unless the phase already has it: a tensor that the forward phase gathers is gathered
  // again in the backward phase, not kept.
  TensorId version(TensorId t, const Share& to);
  // Call when a node writes the tensor: versions of it are outdated.
  void outdate(TensorId t) { versions_.erase(t); }

  // Ids of `count` elements a rank, counted from the rank's first one.
  TensorId local_ids(TensorId ids, int64_t count);
  // A state I64 [1] with the number of the rank's first of `count` elements.
  TensorId first(int64_t count);
  // The states that `first` added, and their values.
  std::vector<std::pair<TensorId, int64_t>> firsts;

 private:
  using Version = std::tuple<Share::Kind, uint32_t, Order, Phase, When>;

  void track(TensorId t, Shape whole);
  TensorId convert(TensorId t, const Share& from, const Share& to);
  TensorId emit(const char* op, TensorId x, const Share& to, std::vector<NamedAttribute> attributes);

  const Dimension dimension_;
  std::vector<Share> shares_;
  std::vector<Shape> wholes_;
  std::map<TensorId, std::map<Version, TensorId>> versions_;
  std::map<TensorId, TensorId> totals_;  // by the state of a rank's terms
  std::map<int64_t, TensorId> firsts_by_count_;
  std::map<std::tuple<TensorId, int64_t, Phase, When>, TensorId> local_ids_;
};

}  // namespace corral::partition
