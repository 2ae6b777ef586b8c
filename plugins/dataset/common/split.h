#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace corral::data {

constexpr int kParts = 3;
constexpr std::array<const char*, kParts> kPartNames{"train", "validation", "test"};

// data.split: shares of training, validation and test, such as "98,1,1" or "1"; what is not named is 0. They need not add up to anything.
std::array<double, kParts> parse_split(const std::string& text);

// Which part each document goes to: documents are put in the order of their hash (of content and data.seed) and cut at the rounded shares,
// so equal texts are never in two parts, wherever they stand, and no file is needed to remember the choice. Training gets at least one
// document.
class Splitter {
 public:
  Splitter(std::vector<uint64_t> hashes, const std::array<double, kParts>& shares);
  int part(uint64_t hash) const;

 private:
  std::array<uint64_t, kParts - 1> last_{};  // highest hash of the part
  std::array<bool, kParts - 1> any_{};
  int rest_ = kParts - 1;
};

}  // namespace corral::data
