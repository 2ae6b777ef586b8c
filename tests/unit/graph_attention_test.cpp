// Attention of parts: of the keys, as a ring of ranks has them, and of the queries.
#include <gtest/gtest.h>

#include <cmath>

#include "kernel/graph/cases.h"
#include "kernel/graph/interpreter.h"

namespace corral::graph {
namespace {

using Values = std::vector<std::vector<double>>;

constexpr size_t kKeysAt = 1, kValuesAt = 2, kFirstAt = 3, kLastAt = 4;

// The operands of an operation by name, from a case of attention.
struct Operand {
  TensorType type;
  std::vector<double> values;
};

Values run(const char* op, const Attrs& attrs, const std::vector<Operand>& operands, Values* rounded = nullptr) {
  std::vector<TensorType> types;
  Values values;
  for (const Operand& o : operands) types.push_back(o.type), values.push_back(o.values);
  return run_reference(find_op(op), attrs, types, values, std::vector<bool>(types.size(), true), rounded);
}

// One sequence of 7 token positions, two texts, the second from 3 on; 2 heads that share keys of 4 features.
std::vector<Operand> two_texts() {
  Case c;
  c.shapes = {{"q", {1, 7, 8}}, {"k", {1, 7, 4}}, {"v", {1, 7, 4}}, {"first_key", {1, 7}}, {"last_key", {1, 7}}};
  c.attrs = {{"head_dim", attribute(int64_t{4})}, {"scale", attribute(0.5)}};
  c.values = {{"first_key", {0, 0, 0, 3, 3, 3, 3}}, {"last_key", {0, 1, 2, 3, 4, 5, 6}}};
  std::vector<Operand> operands;
  for (const CaseOperand& in : run_case(find_op("attention"), c).inputs) operands.push_back({in.type, in.values});
  return operands;
}

const Attrs kAttrs{{"head_dim", attribute(int64_t{4})}, {"scale", attribute(0.5)}};

// The same with the keys from `from` to `to` alone: the bounds count from the first of them.
std::vector<Operand> with_keys(std::vector<Operand> operands, int64_t from, int64_t to) {
  for (const size_t at : {kKeysAt, kValuesAt}) {
    Operand& o = operands[at];
    o.type.shape[1] = to - from;
    o.values = std::vector(o.values.begin() + from * 4, o.values.begin() + to * 4);
  }
  for (const size_t at : {kFirstAt, kLastAt})
    for (double& bound : operands[at].values) bound -= static_cast<double>(from);
  return operands;
}

void expect_near(const std::vector<double>& got, const std::vector<double>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-12) << i;
}

TEST(Attention, PartsOfTheKeysJoinByTheirLogSumExp) {
  const std::vector<Operand> whole = two_texts();
  const Values expected = run("attention", kAttrs, whole), left = run("attention", kAttrs, with_keys(whole, 0, 4)),
               right = run("attention", kAttrs, with_keys(whole, 4, 7));
  std::vector<double> y(expected[0].size()), lse(expected[1].size());
  for (size_t i = 0; i < lse.size(); ++i) {
    const double most = std::max(left[1][i], right[1][i]), a = std::exp(left[1][i] - most), b = std::exp(right[1][i] - most);
    lse[i] = most + std::log(a + b);
    for (size_t d = 0; d < 4; ++d) y[i * 4 + d] = (a * left[0][i * 4 + d] + b * right[0][i * 4 + d]) / (a + b);
  }
  expect_near(y, expected[0]);
  expect_near(lse, expected[1]);
  EXPECT_EQ(right[1][0], -HUGE_VAL) << "the first token position sees no key of the second part";
}

TEST(Attention, GradientsOfPartsOfTheKeysAreTheWholeGradient) {
  std::vector<Operand> whole = two_texts();
  const Values forward = run("attention", kAttrs, whole);
  whole.push_back({{DType::F32, {1, 7, 8}}, forward[0]});
  whole.push_back({{DType::F32, {1, 7, 2}}, forward[1]});
  whole.push_back({{DType::F32, {1, 7, 8}}, whole[0].values});  // any gradient of y
  const Values expected = run("attention_backward", kAttrs, whole), left = run("attention_backward", kAttrs, with_keys(whole, 0, 4)),
               right = run("attention_backward", kAttrs, with_keys(whole, 4, 7));
  std::vector<double> dq = left[0];
  for (size_t i = 0; i < dq.size(); ++i) dq[i] += right[0][i];
  expect_near(dq, expected[0]);
  for (const size_t of_keys : {1, 2}) {
    std::vector<double> both = left[of_keys];
    both.insert(both.end(), right[of_keys].begin(), right[of_keys].end());
    expect_near(both, expected[of_keys]);
  }
}

// A device that rounds the probabilities to bfloat16 is off by half a unit of each product at most.
TEST(Attention, SaysHowFarRoundedProbabilitiesCanBeOff) {
  std::vector<Operand> operands = two_texts();
  Values magnitudes, of_positive;
  const Values exact = run("attention", kAttrs, operands, &magnitudes);
  const auto &q = operands[0].values, &k = operands[kKeysAt].values, &v = operands[kValuesAt].values;
  double largest = 0;
  for (size_t t = 0; t < 7; ++t)
    for (size_t h = 0; h < 2; ++h)
      for (size_t d = 0; d < 4; ++d) {
        double y = 0;
        for (auto s = static_cast<size_t>(operands[kFirstAt].values[t]); s <= t; ++s) {
          double score = 0;
          for (size_t e = 0; e < 4; ++e) score += 0.5 * q[t * 8 + h * 4 + e] * k[s * 4 + e];
          y += rounded(std::exp(score - exact[1][t * 2 + h]), DType::BF16) * v[s * 4 + d];
        }
        const double off = std::fabs(y - exact[0][t * 8 + h * 4 + d]) / magnitudes[0][t * 8 + h * 4 + d];
        EXPECT_LE(off, 0x1p-8);
        largest = std::max(largest, off);
      }
  EXPECT_GT(largest, 0x1p-12);
  for (double& x : operands[kValuesAt].values) x = std::fabs(x);
  const Values positive = run("attention", kAttrs, operands, &of_positive);
  expect_near(of_positive[0], positive[0]);  // of values that are positive the products are their magnitudes
}

}  // namespace
}  // namespace corral::graph
