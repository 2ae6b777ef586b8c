#include "plugins/dataset/common/permutation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace corral::data {
namespace {
TEST(Permutation, VisitsEveryRowOnceForEverySize) {
  for (uint64_t size = 1; size <= 1100; size += size < 40 ? 1 : 53) {
    std::vector<int> seen(size);
    const Permutation permutation(size, size * 31);
    for (uint64_t i = 0; i < size; ++i) ++seen.at(permutation(i));
    EXPECT_EQ(seen, std::vector<int>(size, 1)) << size;
  }
}

TEST(Permutation, IsFoundAtAnyPlaceWithoutTheOnesBefore) {
  const uint64_t size = 3'000'000'000'000ull;
  const Permutation a(size, 5), b(size, 5);
  const uint64_t at_the_end = a(size - 1);
  for (uint64_t i = 0; i < 100; ++i) b(i);
  EXPECT_EQ(b(size - 1), at_the_end);
  EXPECT_LT(at_the_end, size);
}

TEST(Permutation, DiffersFromKeyToKey) {
  const Permutation a(1000, 1), b(1000, 2);
  int equal = 0;
  for (uint64_t i = 0; i < 1000; ++i) equal += a(i) == b(i);
  EXPECT_LT(equal, 10);  // 1 expected
}

// Over many keys each index maps to each value equally often, and neighbours are separated: chi-square against uniform.
TEST(Permutation, ScattersEvenly) {
  constexpr int kSize = 10, kKeys = 20000;
  double places[kSize][kSize] = {}, steps[kSize] = {};
  for (uint64_t key = 0; key < kKeys; ++key) {
    const Permutation p(kSize, key);
    for (uint64_t i = 0; i < kSize; ++i) ++places[i][p(i)];
    ++steps[(p(1) + kSize - p(0)) % kSize];
  }
  for (const auto& row : places) {
    double chi = 0;
    for (const double n : row) chi += (n - kKeys / kSize) * (n - kKeys / kSize) / (kKeys / kSize);
    EXPECT_LT(chi, 33.7);  // 9 degrees of freedom, p = 1e-4
  }
  double chi = 0;
  for (int d = 1; d < kSize; ++d) chi += std::pow(steps[d] - kKeys / 9.0, 2) / (kKeys / 9.0);
  EXPECT_LT(chi, 31.8);  // 8 degrees of freedom, p = 1e-4
}
}  // namespace
}  // namespace corral::data
