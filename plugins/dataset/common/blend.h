#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace corral::data {

// Distributes rows 0, 1, 2 … over sources evenly by weight: source 0 against the rest, source 1 against the remaining ones, and so on.
// The source of any row is computed directly.
class Blend {
 public:
  explicit Blend(const std::vector<double>& weights);
  struct Place {
    size_t source;
    uint64_t row;  // number within that source
  };
  Place operator()(uint64_t row) const;

 private:
  std::vector<uint64_t> shares_;  // in units of 1/2^32, relative to this and the following sources
};

}  // namespace corral::data
