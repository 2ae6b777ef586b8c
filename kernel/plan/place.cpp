#include "kernel/plan/place.h"

#include <algorithm>

namespace corral::plan {
namespace {

bool meet(const Block& a, const Block& b) {
  for (const Life& x : a.lives)
    for (const Life& y : b.lives)
      if (x.meets(y)) return true;
  return false;
}

// Joins small blocks whose lives follow each other. Placing each of very many blocks would cost time; joining them may cost some bytes.
void join_small(std::vector<Block>& blocks, uint64_t smallest) {
  constexpr std::ptrdiff_t kFew = 500;
  const auto is_small = [&](const Block& b) { return b.bytes == smallest && b.lives.size() == 1; };
  if (std::count_if(blocks.begin(), blocks.end(), is_small) <= kFew) return;
  std::vector<Block> joined;
  for (Block& b : blocks) {
    if (!is_small(b)) continue;
    const auto free = std::find_if(joined.begin(), joined.end(), [&](const Block& j) { return j.lives[0].precedes(b.lives[0]); });
    if (free == joined.end()) {
      joined.push_back(std::move(b));
    } else {
      free->lives[0].include(b.lives[0]);
      free->tensors.insert(free->tensors.end(), b.tensors.begin(), b.tensors.end());
    }
    b.bytes = 0;
  }
  std::erase_if(blocks, [](const Block& b) { return b.bytes == 0; });
  blocks.insert(blocks.end(), std::make_move_iterator(joined.begin()), std::make_move_iterator(joined.end()));
}

}  // namespace

// Places the largest block first, each in the smallest gap that is free during its lives.
uint64_t place(std::vector<Block> blocks, uint64_t smallest, std::vector<uint64_t>& offsets) {
  join_small(blocks, smallest);
  std::stable_sort(blocks.begin(), blocks.end(), [](const Block& a, const Block& b) { return a.bytes > b.bytes; });
  struct Used {
    uint64_t from, to;
  };
  std::vector<uint64_t> placed(blocks.size());
  std::vector<Used> rivals;
  uint64_t top = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const Block& block = blocks[i];
    rivals.clear();
    for (size_t p = 0; p < i; ++p)
      if (meet(blocks[p], block)) rivals.push_back({placed[p], placed[p] + blocks[p].bytes});
    std::sort(rivals.begin(), rivals.end(), [](const Used& a, const Used& b) { return a.from < b.from; });
    uint64_t at = 0, best = UINT64_MAX, best_gap = UINT64_MAX;
    for (const Used& r : rivals) {
      if (r.from >= at + block.bytes && r.from - at < best_gap) {
        best = at;
        best_gap = r.from - at;
      }
      at = std::max(at, r.to);
    }
    placed[i] = best == UINT64_MAX ? at : best;
    for (const size_t t : block.tensors) offsets[t] = placed[i];
    top = std::max(top, placed[i] + block.bytes);
  }
  return top;
}

}  // namespace corral::plan
