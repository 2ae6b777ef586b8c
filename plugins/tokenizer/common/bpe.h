// Byte-pair merging within one piece of text.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/tokenizer/common/definition.h"

namespace corral::tokenizer {

// A hash table from texts to ids. Refers to the caller's strings.
class TokenTable {
 public:
  explicit TokenTable(const std::vector<std::string>& tokens) : tokens_(&tokens) {}
  void reserve(size_t count);
  // False if the text has an id already.
  bool insert(int32_t id);
  // -1 if the text has no id.
  int32_t find(std::string_view text) const;

 private:
  struct Slot {
    uint32_t hash = 0;  // tells most texts apart without comparing them
    int32_t id = -1;
  };
  Slot seek(std::string_view text, size_t& place) const;
  const std::vector<std::string>* tokens_;
  std::vector<Slot> slots_;
};

class MergeTable {
 public:
  explicit MergeTable(const std::vector<Merge>& merges);
  struct Found {
    uint32_t rank = kNone;
    int32_t result = -1;
  };
  static constexpr uint32_t kNone = ~0u;
  Found find(int32_t left, int32_t right) const {
    const uint64_t key = key_of(left, right);
    for (size_t i = hash(key);; i = (i + 1) & mask_)
      if (slots_[i].key == key || slots_[i].key == kEmpty) return {slots_[i].rank, slots_[i].result};
  }

 private:
  static constexpr uint64_t kEmpty = ~0ull;
  struct Slot {
    uint64_t key = kEmpty;
    uint32_t rank = kNone;
    int32_t result = -1;
  };
  static uint64_t key_of(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t hash(uint64_t key) const { return (key * 0x9E3779B97F4A7C15ull) >> shift_; }

  std::vector<Slot> slots_;
  size_t mask_ = 0;
  int shift_ = 0;
};

// Replaces pairs of neighbours by their merge until no pair has one: the lowest rank first, among equals the leftmost. Returns the number
// of ids left at the front of `ids`. `room` is scratch memory, reused between calls.
struct MergeRoom {
  struct Symbol {
    int32_t id;
    uint32_t before, after;
  };
  struct Candidate {
    uint32_t rank, at;
    int32_t left, right, result;
  };
  std::vector<uint32_t> ranks;
  std::vector<int32_t> results;
  std::vector<Symbol> symbols;
  std::vector<Candidate> queue;
};
size_t merge(std::span<int32_t> ids, const MergeTable& merges, MergeRoom& room);

}  // namespace corral::tokenizer
