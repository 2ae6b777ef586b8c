// Shared by the conversions of layout: an axis is cut into as many parts as the mesh dimension has ranks. Only the partition adds
// conversions, to a finished step, so they have no gradient.
#pragma once

#include <cmath>

#include "kernel/graph/op.h"
#include "kernel/graph/words.h"

namespace corral::graph {

inline const AttrDef kMesh{"mesh", AttrKind::kText}, kParts{"parts", AttrKind::kInteger, 1}, kAxis{"axis", AttrKind::kInteger},
    kOrder{"order", AttrKind::kText};

inline int64_t parts_of(const NodeCall& op) {
  const int64_t parts = op.integer("parts");
  if (parts < 1) fail("{}: parts = {}, expected at least 1", op.where(), parts);
  return parts;
}

// The order in which ranks have the parts of an axis; contiguous if the attribute is absent.
inline Order order_of(const NodeCall& op, std::string_view attr = "order") {
  const std::string& order = op.text(attr);
  for (size_t i = 0; i < kOrderWords.size(); ++i)
    if (order == kOrderWords[i]) return static_cast<Order>(i);
  if (!order.empty()) fail("{}: {} = \"{}\", expected contiguous or zigzag", op.where(), attr, order);
  return Order::CONTIGUOUS;
}

// Pieces of an axis that a rank has.
inline int64_t pieces(Order order) { return order == Order::ZIGZAG ? 2 : 1; }

// The shape of x with the axis named by the attribute cut into parts, or put together of them.
inline Shape cut(const ShapeCall& op, Shape x, std::string_view attr, Order order, bool together = false) {
  const int64_t axis = op.integer(attr), parts = parts_of(op);
  op.require(axis >= 0 && axis < static_cast<int64_t>(x.size()), "x", "has no such axis as \"" + std::string(attr) + "\" says");
  int64_t& extent = x[static_cast<size_t>(axis)];
  op.require(extent % ((together ? 1 : parts) * pieces(order)) == 0, "x", "its axis is not cut evenly into the parts");
  extent = together ? extent * parts : extent / parts;
  return x;
}

// A tensor seen as [outer, extent, inner] around an axis.
struct AxisView {
  size_t outer = 1, extent = 1, inner = 1;
  AxisView(const Shape& shape, int64_t axis) : extent(static_cast<size_t>(shape[static_cast<size_t>(axis)])) {
    for (size_t i = 0; i < shape.size(); ++i)
      (static_cast<int64_t>(i) < axis ? outer : inner) *= static_cast<int64_t>(i) == axis ? 1 : static_cast<size_t>(shape[i]);
  }
};

// Calls f(index in the part, index in the whole) for each element of part `part` of `parts` of a tensor along `axis`.
template <class F>
void each_of_part(const Shape& whole, int64_t axis, size_t parts, size_t part, Order order, F f) {
  const AxisView v(whole, axis);
  const auto count = static_cast<size_t>(pieces(order));
  const size_t run = v.extent / (parts * count) * v.inner, chunks[] = {part, 2 * parts - 1 - part};
  size_t in_part = 0;
  for (size_t o = 0; o < v.outer; ++o)
    for (size_t piece = 0; piece < count; ++piece)
      for (size_t i = 0; i < run; ++i) f(in_part++, o * v.extent * v.inner + chunks[piece] * run + i);
}

// For a reference that sees one rank only.
inline void exchange_alone(const RefCall& op) { op.def.exchange({&op, 1}); }

inline void require_ranks(std::span<const RefCall> ranks) {
  if (static_cast<int64_t>(ranks.size()) != parts_of(ranks[0])) fail_bug("{}: its reference needs all ranks", ranks[0].where());
}

// The sum, max or log_sum_exp over the ranks of one element.
inline double reduced(std::span<const RefCall> ranks, size_t place) {
  const std::string& reduction = ranks[0].text("reduction");
  double largest = -HUGE_VAL, sum = 0;
  for (const RefCall& rank : ranks) {
    largest = std::max(largest, rank.in("x")[place]);
    sum += rank.in("x")[place];
  }
  if (reduction == "max" || std::isinf(largest)) return reduction == "sum" ? sum : largest;
  if (reduction == "sum") return sum;
  sum = 0;
  for (const RefCall& rank : ranks) sum += std::exp(rank.in("x")[place] - largest);
  return largest + std::log(sum);
}

inline const AttrDef kReduction{"reduction", AttrKind::kText};

inline void require_reduction(const NodeCall& op) {
  const std::string& reduction = op.text("reduction");
  if (reduction != "sum" && reduction != "max" && reduction != "log_sum_exp")
    fail("{}: reduction = \"{}\", expected sum, max or log_sum_exp", op.where(), reduction);
}

}  // namespace corral::graph
