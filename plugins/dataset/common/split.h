#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace corral::data {

constexpr int kParts = 3;
constexpr std::array<const char*, kParts> kPartNames{"train", "validation", "test"};

// data.split: shares of training, validation and test, such as "98,1,1" or "1". Missing shares are 0; the sum is arbitrary.
std::array<double, kParts> parse_split(const std::string& text);

// Assigns documents to parts: they are sorted by hash (of content and data.seed) and cut at the rounded shares. Equal texts are therefore
// always in the same part, and no file has to record the choice. Training gets at least one document unless its share is 0.
class Splitter {
 public:
  Splitter(std::vector<uint64_t> hashes, const std::array<double, kParts>& shares);
  int part(uint64_t hash) const;

 private:
  std::array<uint64_t, kParts - 1> last_{};  // highest hash of each part
  std::array<bool, kParts - 1> any_{};
  int rest_ = kParts - 1;
};

}  // namespace corral::data
