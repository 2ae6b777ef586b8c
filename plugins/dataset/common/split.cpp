#include "plugins/dataset/common/split.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "corral/error.h"

namespace corral::data {

std::array<double, kParts> parse_split(const std::string& text) {
  const auto wrong = [&](const std::string& why) {
    fail("data.split = \"" + text + "\": " + why + "; expected up to three shares for training, validation and test, such as 98,1,1");
  };
  std::array<double, kParts> shares{};
  double sum = 0;
  size_t at = 0;
  for (int part = 0;; ++part) {
    if (part == kParts) wrong("more than three shares");
    while (at < text.size() && text[at] == ' ') ++at;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), shares[part]);
    if (error != std::errc()) wrong("share " + std::to_string(part + 1) + " is not a number");
    if (!std::isfinite(shares[part]) || shares[part] < 0) wrong("share " + std::to_string(part + 1) + " is negative or not finite");
    sum += shares[part];
    at = static_cast<size_t>(end - text.data());
    if (at == text.size()) break;
    if (text[at] != ',') wrong("expected ',' after share " + std::to_string(part + 1));
    ++at;
  }
  if (sum <= 0) wrong("all shares are 0");
  for (double& share : shares) share /= sum;
  return shares;
}

Splitter::Splitter(std::vector<uint64_t> hashes, const std::array<double, kParts>& shares) {
  const double n = static_cast<double>(hashes.size());
  double until = 0;
  for (rest_ = kParts - 1; rest_ > 0 && shares[rest_] == 0;) --rest_;
  for (int part = 0; part < rest_; ++part) {
    until += shares[part];
    size_t count = std::min(hashes.size(), static_cast<size_t>(std::llround(until * n)));
    if (part == 0 && shares[0] > 0) count = std::max<size_t>(count, hashes.empty() ? 0 : 1);
    if (count == 0) continue;
    std::nth_element(hashes.begin(), hashes.begin() + static_cast<ptrdiff_t>(count - 1), hashes.end());
    last_[part] = hashes[count - 1];
    any_[part] = true;
  }
}

int Splitter::part(uint64_t hash) const {
  for (int part = 0; part < rest_; ++part)
    if (any_[part] && hash <= last_[part]) return part;
  return rest_;
}

}  // namespace corral::data
