#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace corral::data {

// Deals rows 0, 1, 2 … to sources in the shares of their weights, evenly: source 0 against the rest, then source 1 against what remains,
// and so on. Any row is found without walking there.
class Blend {
 public:
  explicit Blend(const std::vector<double>& weights);
  struct Place {
    size_t source;
    uint64_t row;  // of that source's own endless sequence
  };
  Place operator()(uint64_t row) const;

 private:
  std::vector<uint64_t> shares_;  // of 2^32, against the sources that follow
};

}  // namespace corral::data
