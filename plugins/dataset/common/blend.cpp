#include "plugins/dataset/common/blend.h"

#include <cmath>
#include <numeric>

namespace corral::data {
namespace {
constexpr uint64_t kOne = uint64_t{1} << 32;
constexpr uint64_t kHalf = kOne / 2;

// The number of the first `rows` that go to a source with this share (in units of 1/2^32).
uint64_t dealt(uint64_t rows, uint64_t share) { return (rows >> 32) * share + (((rows & (kOne - 1)) * share + kHalf) >> 32); }
}  // namespace

Blend::Blend(const std::vector<double>& weights) {
  for (size_t i = 0; i < weights.size(); ++i) {
    const double rest = std::accumulate(weights.begin() + static_cast<ptrdiff_t>(i), weights.end(), 0.0);
    shares_.push_back(static_cast<uint64_t>(std::llround(static_cast<double>(kOne) * (weights[i] / rest))));
  }
  if (!shares_.empty()) shares_.back() = kOne;
}

Blend::Place Blend::operator()(uint64_t row) const {
  size_t source = 0;
  for (;; ++source) {
    const uint64_t before = dealt(row, shares_[source]);
    if (dealt(row + 1, shares_[source]) > before) return {source, before};
    row -= before;
  }
}

}  // namespace corral::data
