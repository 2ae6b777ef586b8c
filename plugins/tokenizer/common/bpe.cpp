#include "plugins/tokenizer/common/bpe.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>

namespace corral::tokenizer {
namespace {

// Searches all pairs for each merge: fastest for a word.
size_t merge_short(std::span<int32_t> ids, const MergeTable& merges, MergeRoom& room) {
  size_t count = ids.size();
  room.ranks.resize(count);
  room.results.resize(count);
  const auto look = [&](size_t i) {
    const MergeTable::Found found = i + 1 < count ? merges.find(ids[i], ids[i + 1]) : MergeTable::Found{};
    room.ranks[i] = found.rank;
    room.results[i] = found.result;
  };
  for (size_t i = 0; i < count; ++i) look(i);
  while (count > 1) {
    const auto best = std::min_element(room.ranks.begin(), room.ranks.begin() + static_cast<ptrdiff_t>(count));
    if (*best == MergeTable::kNone) break;
    const auto at = static_cast<size_t>(best - room.ranks.begin());
    ids[at] = room.results[at];
    const auto close_gap = [&](auto begin) { std::copy(begin + at + 2, begin + count, begin + at + 1); };
    close_gap(ids.data());
    close_gap(room.ranks.data());
    close_gap(room.results.data());
    --count;
    look(at);
    if (at > 0) look(at - 1);
  }
  return count;
}

// Keeps the pairs in a heap: O(n log n) for a piece of any length.
size_t merge_long(std::span<int32_t> ids, const MergeTable& merges, MergeRoom& room) {
  constexpr uint32_t kNone = ~0u;
  const auto later = [](const MergeRoom::Candidate& a, const MergeRoom::Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
  };
  auto& symbols = room.symbols;
  auto& queue = room.queue;
  const auto count = static_cast<uint32_t>(ids.size());
  symbols.resize(count);
  queue.clear();
  for (uint32_t i = 0; i < count; ++i) symbols[i] = {ids[i], i == 0 ? kNone : i - 1, i + 1 == count ? kNone : i + 1};
  const auto look = [&](uint32_t at) {
    const uint32_t after = symbols[at].after;
    if (after == kNone) return false;
    const int32_t left = symbols[at].id, right = symbols[after].id;
    const MergeTable::Found found = merges.find(left, right);
    if (found.rank == MergeTable::kNone) return false;
    queue.push_back({found.rank, at, left, right, found.result});
    return true;
  };
  for (uint32_t i = 0; i < count; ++i) look(i);
  std::make_heap(queue.begin(), queue.end(), later);
  while (!queue.empty()) {
    const MergeRoom::Candidate best = queue.front();
    std::pop_heap(queue.begin(), queue.end(), later);
    queue.pop_back();
    MergeRoom::Symbol& left = symbols[best.at];
    // Skip a candidate if another merge has changed one of its symbols.
    if (left.id != best.left || left.after == kNone || symbols[left.after].id != best.right) continue;
    MergeRoom::Symbol& right = symbols[left.after];
    left.id = best.result;
    right.id = -1;
    left.after = right.after;
    if (left.after != kNone) symbols[left.after].before = best.at;
    if (look(best.at)) std::push_heap(queue.begin(), queue.end(), later);
    if (left.before != kNone && look(left.before)) std::push_heap(queue.begin(), queue.end(), later);
  }
  size_t left = 0;
  for (uint32_t i = 0; i != kNone; i = symbols[i].after) ids[left++] = symbols[i].id;
  return left;
}

}  // namespace

void TokenTable::reserve(size_t count) { slots_.assign(std::bit_ceil(std::max<size_t>(16, 2 * count)), Slot{}); }

// The slot of the text, or an empty slot with the text's hash; `place` is its index.
TokenTable::Slot TokenTable::seek(std::string_view text, size_t& place) const {
  const uint64_t hash = XXH3_64bits(text.data(), text.size());
  const auto tag = static_cast<uint32_t>(hash >> 32);
  const size_t mask = slots_.size() - 1;
  for (place = hash & mask;; place = (place + 1) & mask) {
    const Slot& slot = slots_[place];
    if (slot.id < 0) return {tag, -1};
    if (slot.hash == tag && (*tokens_)[static_cast<size_t>(slot.id)] == text) return slot;
  }
}

bool TokenTable::insert(int32_t id) {
  size_t place;
  const Slot found = seek((*tokens_)[static_cast<size_t>(id)], place);
  if (found.id < 0) slots_[place] = {found.hash, id};
  return found.id < 0;
}

int32_t TokenTable::find(std::string_view text) const {
  size_t place;
  return seek(text, place).id;
}

MergeTable::MergeTable(const std::vector<Merge>& merges) {
  slots_.resize(std::bit_ceil(std::max<size_t>(16, merges.size() * 3 / 2 + 1)));
  mask_ = slots_.size() - 1;
  shift_ = 64 - std::countr_zero(slots_.size());
  for (const Merge& m : merges) {
    const uint64_t key = key_of(m.left, m.right);
    size_t i = hash(key);
    while (slots_[i].key != key && slots_[i].key != kEmpty) i = (i + 1) & mask_;
    slots_[i] = {key, m.rank, m.result};  // if a pair appears twice, the later merge wins
  }
}

size_t merge(std::span<int32_t> ids, const MergeTable& merges, MergeRoom& room) {
  constexpr size_t kShort = 64;
  return ids.size() <= kShort ? merge_short(ids, merges, room) : merge_long(ids, merges, room);
}

}  // namespace corral::tokenizer
