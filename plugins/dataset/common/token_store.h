#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace corral::data {

// Token ids, stored in two bytes each if the vocabulary allows.
class TokenStore {
 public:
  explicit TokenStore(bool narrow = false) : narrow_(narrow) {}
  size_t size() const { return narrow_ ? two_.size() : four_.size(); }
  int32_t operator[](size_t i) const { return narrow_ ? two_[i] : four_[i]; }

  void reserve(size_t count) { narrow_ ? two_.reserve(count) : four_.reserve(count); }
  void append(std::span<const int32_t> ids) {
    narrow_ ? void(two_.insert(two_.end(), ids.begin(), ids.end())) : void(four_.insert(four_.end(), ids.begin(), ids.end()));
  }
  // Appends `count` ids, from `begin`, of a store with the same width.
  void append(const TokenStore& other, size_t begin, size_t count) {
    const auto copy = [&](auto& to, const auto& from) { to.insert(to.end(), from.begin() + begin, from.begin() + begin + count); };
    narrow_ ? copy(two_, other.two_) : copy(four_, other.four_);
  }

 private:
  bool narrow_;
  std::vector<uint16_t> two_;
  std::vector<int32_t> four_;
};

}  // namespace corral::data
