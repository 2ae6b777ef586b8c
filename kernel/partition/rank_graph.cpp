#include "kernel/partition/rank_graph.h"

#include <algorithm>

#include "corral/error.h"
#include "kernel/graph/conversion.h"
#include "kernel/graph/words.h"

namespace corral::partition {
using Kind = Share::Kind;

RankGraph::RankGraph(Graph whole, const Dimension& dimension)
    : g(std::move(whole)), b(g), dimension_(dimension), shares_(g.tensors.size()) {
  for (const Tensor& t : g.tensors) wholes_.push_back(t.shape);
}

bool RankGraph::divides(int64_t extent, Order order) const { return extent > 0 && extent % (dimension_.ranks * graph::pieces(order)) == 0; }

void RankGraph::set_share(TensorId t, const Share& share) {
  Tensor& tensor = g.tensors[t];
  Layout& layout = tensor.layout;
  shares_[t] = share;
  if (share.kind == Kind::kSame) return;
  if (layout.global.empty()) layout.global = tensor.shape;
  if (share.kind == Kind::kPartial) {
    layout.owes.push_back({b.name(dimension_.name), dimension_.ranks, share.reduction, {}});
    return;
  }
  if (share.axis >= tensor.shape.size())
    fail_bug("\"{}\" is to be cut along axis {}, it has {}", g.names[tensor.name], share.axis, tensor.shape.size());
  int64_t& extent = tensor.shape[share.axis];
  if (!divides(extent, share.order))
    fail("\"{}\" has {} along axis {}: {} ranks of \"{}\" cannot have equal parts", g.names[tensor.name], extent, share.axis,
         dimension_.ranks, dimension_.name);
  extent /= dimension_.ranks;
  layout.cuts.push_back({b.name(dimension_.name), dimension_.ranks, share.axis, share.order, {}});
}

void RankGraph::track(TensorId t, Shape whole) {
  shares_.resize(t + 1);
  wholes_.resize(t + 1);
  wholes_[t] = std::move(whole);
}

TensorId RankGraph::add_like(TensorId t, const Share& share) {
  const Tensor like = g.tensors[t];
  const TensorId id = b.tensor(g.names[like.name], like.dtype, wholes_[t]);
  Layout& layout = g.tensors[id].layout = like.layout;
  std::erase_if(layout.cuts, [&](const Cut& c) { return g.names[c.mesh] == dimension_.name; });
  std::erase_if(layout.owes, [&](const Owed& o) { return g.names[o.mesh] == dimension_.name; });
  track(id, wholes_[t]);
  set_share(id, share);
  return id;
}

TensorId RankGraph::add_part_of(TensorId total, const Share& share) {
  const State s = *std::find_if(g.states.begin(), g.states.end(), [&](const State& own) { return own.tensor == total; });
  const TensorId part = b.state(name_of(g, total) + "." + dimension_.name, g.tensors[total].dtype, wholes_[total], s);
  g.tensors[part].layout = g.tensors[total].layout;
  track(part, wholes_[total]);
  set_share(part, share);
  totals_[part] = total;
  return part;
}

void RankGraph::complete_parts() {
  for (const auto& [part, total] : totals_)
    if (!versions_.contains(part)) version(part, Share{});
}

TensorId RankGraph::version(TensorId t, const Share& to) {
  const Share from = shares_[t];
  if (from == to) return t;
  const Version key{to.kind, to.axis, to.order, b.phase, when};
  if (const auto made = versions_[t].find(key); made != versions_[t].end()) return made->second;
  const TensorId y = convert(t, from, to);
  return versions_[t][key] = y;
}

TensorId RankGraph::convert(TensorId t, const Share& from, const Share& to) {
  if (is_integer(t))
    fail_bug("{}: needs \"{}\" {} over \"{}\", which is {}: no conversion is of integers", at, name_of(g, t), text_of(to), dimension_.name,
             text_of(from));
  const auto axis = [](const Share& s) { return attribute(static_cast<int64_t>(s.axis)); };
  const auto order = [](const Share& s) { return attribute(std::string(graph::kOrderWords[static_cast<size_t>(s.order)])); };
  const NamedAttribute reduction{"reduction", attribute(std::string(graph::kReductionWords[static_cast<size_t>(from.reduction)]))};
  switch (from.kind) {
    case Kind::kSame:
      if (to.kind == Kind::kPartial) break;
      return emit("slice", t, to, {{"axis", axis(to)}, {"order", order(to)}, {"part", attribute(static_cast<int64_t>(dimension_.rank))}});
    case Kind::kPartial:
      if (to.kind == Kind::kSame) return emit("all_reduce", t, to, {reduction});
      if (from.reduction != Reduction::SUM) return version(version(t, Share{}), to);
      return emit("reduce_scatter", t, to, {{"axis", axis(to)}, {"order", order(to)}, reduction});
    case Kind::kCut:
      if (to.kind == Kind::kPartial) break;
      if (to.kind == Kind::kSame) return emit("all_gather", t, to, {{"axis", axis(from)}, {"order", order(from)}});
      if (to.axis == from.axis) return version(version(t, Share{}), to);
      return emit("all_to_all", t, to, {{"from", axis(from)}, {"to", axis(to)}, {"from_order", order(from)}, {"to_order", order(to)}});
  }
  fail_bug("{}: \"{}\" is {} over \"{}\" and cannot become {}", at, name_of(g, t), text_of(from), dimension_.name, text_of(to));
}

TensorId RankGraph::emit(const char* op, TensorId x, const Share& to, std::vector<NamedAttribute> attributes) {
  attributes.push_back({"mesh", attribute(dimension_.name)});
  attributes.push_back({"parts", attribute(static_cast<int64_t>(dimension_.ranks))});
  const auto total = totals_.find(x);
  const TensorId y = total != totals_.end() && to.kind == Kind::kSame ? total->second : add_like(x, to);
  b.node(op, {x}, {y}, std::move(attributes)).when = when;
  return y;
}

TensorId RankGraph::first(int64_t count) {
  TensorId& t = firsts_by_count_[count];
  if (t) return t;
  State s;
  s.kind = StateKind::STATISTIC;
  t = b.state(format("first.{}.{}", dimension_.name, count), DType::I64, {1}, s);
  track(t, {1});
  firsts.push_back({t, count * dimension_.rank});
  return t;
}

TensorId RankGraph::local_ids(TensorId ids, int64_t count) {
  const TensorId from = version(ids, Share{}), begin = first(count);
  TensorId& known = local_ids_[{from, count, b.phase, when}];
  if (known) return known;
  known = add_like(from, Share{});
  b.node("local_ids", {from, begin}, {known}, {{"count", attribute(count)}}).when = when;
  return known;
}

}  // namespace corral::partition
