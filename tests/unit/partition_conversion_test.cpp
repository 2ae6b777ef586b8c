// Conversions of layout between the ranks of a mesh dimension, run by their references for all ranks.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "kernel/graph/factors.h"

namespace corral::graph {
namespace {

constexpr int64_t kParts = 3;
const Shape kWhole{2, 6, 9};

struct Held {
  Shape shape;
  std::vector<double> data;
  bool operator==(const Held&) const = default;
};
using Ranks = std::vector<Held>;

// Partial sums: every rank has numbers of its own.
Ranks partial() {
  Ranks ranks(kParts, {kWhole, std::vector<double>(static_cast<size_t>(elements(kWhole)))});
  double next = 0;
  for (Held& rank : ranks)
    for (double& v : rank.data) v = std::sin(++next);
  return ranks;
}

Ranks same() { return Ranks(kParts, partial()[0]); }

using Numbers = std::map<std::string, int64_t>;

Held on_rank(const OpDef& def, const Attrs& attrs, const std::vector<Held*>& given) {
  const TensorType x{DType::F32, given[0]->shape};
  const Shape y = infer(def, attrs, {&x}, def.name)[0].shape;
  factors_of(def, attrs, def.operands(attrs), {&given[0]->shape}, {&y}, def.name);
  return {y, std::vector<double>(static_cast<size_t>(elements(y)))};
}

// Runs an operation on all ranks. If it has the attribute `part`, rank r gets part = r.
Ranks convert(const char* op, Ranks x, const Numbers& numbers, const std::string& reduction = "", const std::string& order = "") {
  const OpDef& def = find_op(op);
  Attrs shared{{"parts", attribute(kParts)}, {"mesh", attribute(std::string("tensor"))}};
  for (const auto& [name, value] : numbers) shared.push_back({name, attribute(value)});
  if (!reduction.empty()) shared.push_back({"reduction", attribute(reduction)});
  if (!order.empty()) shared.push_back({op == std::string("all_to_all") ? "to_order" : "order", attribute(order)});
  std::vector<Attrs> attrs(x.size(), shared);
  Ranks y;
  std::vector<RefCall::Value> in, out;
  for (size_t rank = 0; rank < x.size(); ++rank) {
    if (!def.exchange) attrs[rank].push_back({"part", attribute(static_cast<int64_t>(rank))});
    y.push_back(on_rank(def, attrs[rank], {&x[rank]}));
  }
  for (size_t rank = 0; rank < x.size(); ++rank) {
    in.push_back({x[rank].shape, x[rank].data});
    out.push_back({y[rank].shape, y[rank].data});
  }
  std::vector<RefCall> calls;
  for (size_t rank = 0; rank < x.size(); ++rank)
    calls.emplace_back(def, attrs[rank], op, std::vector{&std::as_const(in)[rank]}, std::vector{&std::as_const(out)[rank]});
  if (def.exchange)
    def.exchange(calls);
  else
    for (const RefCall& call : calls) def.reference(call);
  return y;
}

TEST(Conversion, SliceTakesTheRanksPartOfAnAxis) {
  const Ranks cut = convert("slice", same(), {{"axis", 1}});
  for (int64_t rank = 0; rank < kParts; ++rank) {
    const Held& part = cut[static_cast<size_t>(rank)];
    ASSERT_EQ(part.shape, (Shape{2, 2, 9}));
    for (int64_t b = 0; b < 2; ++b)
      for (int64_t t = 0; t < 2; ++t)
        for (int64_t d = 0; d < 9; ++d)
          ASSERT_EQ(part.data[static_cast<size_t>((b * 2 + t) * 9 + d)],
                    same()[0].data[static_cast<size_t>((b * 6 + rank * 2 + t) * 9 + d)]);
  }
}

TEST(Conversion, AllGatherUndoesSlice) {
  for (const int64_t axis : {1, 2})
    EXPECT_EQ(convert("all_gather", convert("slice", same(), {{"axis", axis}}), {{"axis", axis}}), same()) << axis;
}

// Of six chunks, rank r has chunks r and 5 - r.
TEST(Conversion, ZigzagGivesEachRankAnEarlyAndALateChunk) {
  const Ranks cut = convert("slice", same(), {{"axis", 1}}, "", "zigzag");
  for (int64_t rank = 0; rank < kParts; ++rank)
    for (int64_t b = 0; b < 2; ++b)
      for (int64_t t = 0; t < 2; ++t)
        for (int64_t d = 0; d < 9; ++d)
          ASSERT_EQ(cut[static_cast<size_t>(rank)].data[static_cast<size_t>((b * 2 + t) * 9 + d)],
                    same()[0].data[static_cast<size_t>((b * 6 + (t == 0 ? rank : 5 - rank)) * 9 + d)]);
  EXPECT_EQ(convert("all_gather", cut, {{"axis", 1}}, "", "zigzag"), same());
  EXPECT_EQ(convert("reduce_scatter", partial(), {{"axis", 1}}, "sum", "zigzag"),
            convert("slice", convert("all_reduce", partial(), {}, "sum"), {{"axis", 1}}, "", "zigzag"));
  EXPECT_EQ(convert("all_to_all", convert("slice", same(), {{"axis", 2}}), {{"from", 2}, {"to", 1}}, "", "zigzag"), cut);
}

TEST(Conversion, AllReduceTakesTheSumTheMaximumOrLogSumExp) {
  const Ranks x = partial();
  const Ranks sum = convert("all_reduce", x, {}, "sum"), max = convert("all_reduce", x, {}, "max"),
              lse = convert("all_reduce", x, {}, "log_sum_exp");
  for (size_t i = 0; i < x[0].data.size(); ++i) {
    const double a = x[0].data[i], b = x[1].data[i], c = x[2].data[i];
    for (size_t rank = 0; rank < x.size(); ++rank) {
      ASSERT_DOUBLE_EQ(sum[rank].data[i], a + b + c);
      ASSERT_EQ(max[rank].data[i], std::max({a, b, c}));
      ASSERT_NEAR(lse[rank].data[i], std::log(std::exp(a) + std::exp(b) + std::exp(c)), 1e-14);
    }
  }
}

// A rank whose keys are all hidden has the log-sum-exp -inf, which must not turn the numbers of other ranks into NaN.
TEST(Conversion, LogSumExpOfNoKeysLeavesTheOthersAsTheyAre) {
  Ranks x(kParts, {{2}, {-HUGE_VAL, -HUGE_VAL}});
  x[1].data[0] = 3;
  for (const Held& y : convert("all_reduce", x, {}, "log_sum_exp")) EXPECT_EQ(y.data, (std::vector<double>{3, -HUGE_VAL}));
}

TEST(Conversion, ReduceScatterIsTheSliceOfAllReduce) {
  for (const char* reduction : {"sum", "max", "log_sum_exp"})
    for (const int64_t axis : {1, 2})
      EXPECT_EQ(convert("reduce_scatter", partial(), {{"axis", axis}}, reduction),
                convert("slice", convert("all_reduce", partial(), {}, reduction), {{"axis", axis}}));
}

TEST(Conversion, AllToAllMovesTheCutToAnotherAxis) {
  const Ranks cut_1 = convert("slice", same(), {{"axis", 1}}), cut_2 = convert("slice", same(), {{"axis", 2}});
  EXPECT_EQ(convert("all_to_all", cut_1, {{"from", 1}, {"to", 2}}), cut_2);
  EXPECT_EQ(convert("all_to_all", cut_2, {{"from", 2}, {"to", 1}}), cut_1);
}

TEST(Conversion, RefusesUnevenCutsUnknownReductionsAndMissingAxes) {
  const auto refused = [](const char* op, const Numbers& numbers, const char* says, const std::string& reduction = "",
                          const std::string& order = "") {
    try {
      convert(op, same(), numbers, reduction, order);
      ADD_FAILURE() << op << " was taken";
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(says), std::string::npos) << e.what();
    }
  };
  refused("slice", {{"axis", 0}}, "not cut evenly");
  refused("slice", {{"axis", 3}}, "no such axis");
  refused("slice", {{"axis", 1}, {"part", 3}}, "part = 3 of 3 parts");
  refused("all_gather", {{"axis", -1}}, "no such axis");
  refused("reduce_scatter", {{"axis", 0}}, "not cut evenly", "sum");
  refused("reduce_scatter", {{"axis", 1}}, "reduction = \"mean\", expected sum, max or log_sum_exp", "mean");
  refused("all_reduce", {}, "expected sum, max or log_sum_exp");
  refused("all_to_all", {{"from", 1}, {"to", 1}}, "are one");
  refused("all_to_all", {{"from", 1}, {"to", 0}}, "not cut evenly");
  refused("slice", {{"axis", 2}}, "not cut evenly", "", "zigzag");
  refused("slice", {{"axis", 1}}, "order = \"zig\", expected contiguous or zigzag", "", "zig");
}

}  // namespace
}  // namespace corral::graph
