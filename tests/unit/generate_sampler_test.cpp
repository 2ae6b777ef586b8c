// The choice of the next token: which tokens each limit leaves, and how often each of them is drawn.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "kernel/generate/sampler.h"

namespace corral::generate {
namespace {

// Probabilities 0.4, 0.3, 0.2 and 0.1 at temperature 1, of ids 2, 0, 3 and 1.
const std::vector<float> kLogits{std::log(0.3f), std::log(0.1f), std::log(0.4f), std::log(0.2f)};

constexpr int kDraws = 4000;

// The share of each id among draws at different token positions.
std::map<int32_t, double> shares(const Sampling& sampling, const std::vector<float>& logits = kLogits,
                                 const std::vector<int32_t>& before = {}) {
  Sampler sampler(sampling);
  std::map<int32_t, double> all;
  for (int i = 0; i < kDraws; ++i) all[sampler.next(logits, before, 0, static_cast<uint64_t>(i))] += 1.0 / kDraws;
  return all;
}

// At least five standard deviations of a share among kDraws draws.
constexpr double kNear = 0.04;

void expect_shares(const Sampling& sampling, const std::map<int32_t, double>& expected) {
  const auto got = shares(sampling);
  EXPECT_EQ(got.size(), expected.size());
  for (const auto& [id, share] : expected) EXPECT_NEAR(got.contains(id) ? got.at(id) : 0, share, kNear) << "id " << id;
}

TEST(Sampler, DrawsEachTokenAsOftenAsItsProbability) {
  expect_shares({.temperature = 1}, {{0, 0.3}, {1, 0.1}, {2, 0.4}, {3, 0.2}});
  // At temperature 1/2 probabilities are squared and made to sum to one again.
  expect_shares({.temperature = 0.5}, {{0, 0.3}, {1, 0.1 / 3}, {2, 0.16 / 0.3}, {3, 0.04 / 0.3}});
}

TEST(Sampler, WithoutATemperatureTakesTheLikeliestAndTheFirstOfEqualOnes) {
  EXPECT_EQ(shares({}), (std::map<int32_t, double>{{2, shares({})[2]}}));
  Sampler sampler({});
  EXPECT_EQ(sampler.next(std::vector<float>{1, 5, 5, 2}, {}, 0, 0), 1);
  EXPECT_EQ(shares({.temperature = 1e-320}).size(), 1u);  // a tiny temperature does not overflow
}

TEST(Sampler, TopKKeepsTheKLikeliest) {
  expect_shares({.temperature = 1, .top_k = 1}, {{2, 1}});
  expect_shares({.temperature = 1, .top_k = 3}, {{2, 0.4 / 0.9}, {0, 0.3 / 0.9}, {3, 0.2 / 0.9}});
  expect_shares({.temperature = 1, .top_k = 100}, {{0, 0.3}, {1, 0.1}, {2, 0.4}, {3, 0.2}});
}

TEST(Sampler, TopPKeepsTheFewestThatHaveThisProbabilityTogether) {
  expect_shares({.temperature = 1, .top_p = 0}, {{2, 1}});
  expect_shares({.temperature = 1, .top_p = 0.39}, {{2, 1}});
  expect_shares({.temperature = 1, .top_p = 0.5}, {{2, 4.0 / 7}, {0, 3.0 / 7}});
  expect_shares({.temperature = 1, .top_p = 0.75}, {{2, 0.4 / 0.9}, {0, 0.3 / 0.9}, {3, 0.2 / 0.9}});
  // top-p applies to the tokens that top-k left: 4/7 and 3/7.
  expect_shares({.temperature = 1, .top_k = 2, .top_p = 0.55}, {{2, 1}});
}

TEST(Sampler, MinPKeepsTokensWithThisShareOfTheLikeliest) {
  expect_shares({.temperature = 1, .min_p = 1}, {{2, 1}});
  expect_shares({.temperature = 1, .min_p = 0.6}, {{2, 4.0 / 7}, {0, 3.0 / 7}});
  expect_shares({.temperature = 1, .min_p = 0.3}, {{2, 0.4 / 0.9}, {0, 0.3 / 0.9}, {3, 0.2 / 0.9}});
  // min-p applies after the temperature: relative to the likeliest, the others are 3/4, 1/2 and 1/4, squared.
  expect_shares({.temperature = 0.5, .min_p = 0.3}, {{2, 0.64}, {0, 0.36}});
}

TEST(Sampler, ThePenaltyMakesEachEarlierTokenLessLikelyOnceWhateverTheSignOfItsLogit) {
  Sampler sampler({.repetition_penalty = 2});
  EXPECT_EQ(sampler.next(std::vector<float>{4, 3, -1}, {}, 0, 0), 0);
  EXPECT_EQ(sampler.next(std::vector<float>{4, 3, -1}, std::vector<int32_t>{0}, 0, 0), 1);
  EXPECT_EQ(sampler.next(std::vector<float>{-1, -1.5}, std::vector<int32_t>{0}, 0, 0), 1);
  // A token that occurred three times is penalized once.
  EXPECT_EQ(sampler.next(std::vector<float>{4, 1.5}, std::vector<int32_t>{0, 0, 0}, 0, 0), 0);
}

TEST(Sampler, ADrawDependsOnSeedTextAndPositionAlone) {
  const auto draws = [](uint64_t seed, uint64_t text) {
    Sampler sampler({.temperature = 1, .seed = seed});
    std::vector<int32_t> all;
    for (uint64_t place = 0; place < 50; ++place) all.push_back(sampler.next(kLogits, {}, text, place));
    return all;
  };
  EXPECT_EQ(draws(1, 0), draws(1, 0));
  EXPECT_NE(draws(1, 0), draws(2, 0));
  EXPECT_NE(draws(1, 0), draws(1, 1));
}

}  // namespace
}  // namespace corral::generate
