// All threads pack a block of b together. Then each thread computes its own rectangle of the result and packs rows of a just before it
// multiplies them, while they are in its L2 cache. The order of additions depends only on the inner dimension, so the result has the same
// bits for any number of threads.
#include "plugins/device/cpu/gemm.h"

#include <omp.h>

#include "plugins/device/cpu/pack.h"
#include "plugins/device/cpu/tile.h"

namespace corral::cpu {
namespace {

// A block has kInner words of the inner dimension. A thread packs kRowPanels panels of a at once, which stay in the L2 cache while the
// columns pass.
#if defined(__AVX512F__)
constexpr int64_t kInner = 1024, kRowPanels = 6;
#else
constexpr int64_t kInner = 512, kRowPanels = 12;
#endif
constexpr int64_t kColumns = 2048;   // columns of b in a block: they stay in the last-level cache
constexpr int64_t kAlone = 1 << 17;  // too few multiplications for a second thread

#if defined(__AVX512BF16__)
constexpr bool kHasPairs = true;
#else
constexpr bool kHasPairs = false;
#endif

int64_t panels(int64_t n, int64_t each) { return (n + each - 1) / each; }

struct Range {
  int64_t begin, end;
};

Range share(int64_t count, int64_t part, int64_t parts) { return {count * part / parts, count * (part + 1) / parts}; }

// Divides threads into rows x columns so that the largest rectangle is smallest. Packing a panel of rows costs about as much as a tile.
int64_t threads_over_rows(int64_t threads, int64_t row_panels, int64_t column_panels) {
  int64_t best = threads, best_cost = INT64_MAX;
  for (int64_t rows = threads; rows >= 1; --rows) {
    if (threads % rows != 0) continue;
    const int64_t cost = panels(row_panels, rows) * (1 + panels(column_panels, threads / rows));
    if (cost < best_cost) best = rows, best_cost = cost;
  }
  return best;
}

// One stored operand of a product.
struct Operand {
  Words words;
  const void* data;
  bool inner_contiguous;
  int64_t stride;
  int64_t total;  // rows of a, columns of b
};

// Packs the panels `range` (of P rows of a, or columns of b), `inner` steps from `from` on.
template <Words w, int64_t P>
void pack(const Operand& o, Range range, int64_t from, int64_t inner, float* to) {
  const auto* data = static_cast<const Stored<w>*>(o.data);
  const int64_t each = P * panels(inner, kPerWord<w>), first = range.begin * P;
  if (!o.inner_contiguous)
    return pack_columns<w, P>(to, each, data + from * o.stride + first, o.stride, std::min(o.total, range.end * P) - first, inner);
  for (int64_t at = first; at < std::min(o.total, range.end * P); at += P, to += each)
    pack_rows<w, P>(to, data + at * o.stride + from, o.stride, std::min(P, o.total - at), inner);
}

template <int64_t P>
void pack(const Operand& o, Range range, int64_t from, int64_t inner, float* to) {
  if (o.words == Words::kFloat) return pack<Words::kFloat, P>(o, range, from, inner, to);
  if constexpr (kHasPairs) {
    if (o.words == Words::kPairs) return pack<Words::kPairs, P>(o, range, from, inner, to);
    if (o.words == Words::kPairsFromFloat) return pack<Words::kPairsFromFloat, P>(o, range, from, inner, to);
  }
  pack<Words::kFloatFromBf16, P>(o, range, from, inner, to);
}

// The blocks of a product, and the sizes of its workspace.
struct Plan {
  const Gemm& g;
  bool pairs;
  int64_t inner, inner_words;  // per block
  int64_t most_words;          // words of the largest block of any smaller product
  int64_t columns, row_panels;
  bool sums_apart;  // a bfloat16 result with several inner blocks is summed in float32 in the workspace

  explicit Plan(const Gemm& gemm) : g(gemm) {
    const int halves = (g.a == DType::BF16) + (g.b == DType::BF16);
    pairs = kHasPairs && (halves == 2 || (halves == 1 && g.rounds));
    const int64_t words = panels(g.k, pairs ? 2 : 1), blocks = std::max<int64_t>(1, panels(words, kInner));
    most_words = std::min(words, kInner);
    inner_words = panels(words, blocks);
    inner = inner_words * (pairs ? 2 : 1);
    columns = std::min(kColumns, panels(g.n, kTileColumns) * kTileColumns);
    row_panels = panels(g.m, kTileRows);
    sums_apart = g.c == DType::BF16 && blocks > 1;
  }
  Words words(DType t) const {
    if (t == DType::BF16) return pairs ? Words::kPairs : Words::kFloatFromBf16;
    return pairs ? Words::kPairsFromFloat : Words::kFloat;
  }
  Operand operand_a(const void* data) const { return {words(g.a), data, !g.ta, g.ta ? g.m : g.k, g.m}; }
  Operand operand_b(const void* data) const { return {words(g.b), data, g.tb, g.tb ? g.k : g.n, g.n}; }
  int64_t a_floats() const { return panels(std::min(kRowPanels, row_panels) * kTileRows * most_words, 16) * 16; }  // per thread
  int64_t b_floats() const { return columns * most_words; }
  int64_t sum_floats() const { return sums_apart ? row_panels * kTileRows * columns : 0; }
};

// One block of the inner dimension and of the columns of b.
struct Block {
  const float* b;
  float* sums;
  int64_t column, columns, from, inner, words;
  bool first, last;
};

class Writer {
 public:
  Writer(const Gemm& g, const Block& block, int64_t sum_step, void* c) : g_(g), block_(block), sum_step_(sum_step), c_(c) {}

  // Computes the tile at row i and column j of the block.
  void tile(TileFunction multiply, const TileOperands& o, int64_t i, int64_t j) const {
    const int64_t rows = std::min(kTileRows, g_.m - i), columns = std::min(kTileColumns, block_.columns - j);
    const int64_t at = i * g_.n + block_.column + j;
    if (g_.c != DType::BF16) {
      float* to = static_cast<float*>(c_) + at;
      const bool adds = g_.add || !block_.first;
      if (columns == kTileColumns) return multiply(o, to, g_.n, adds);
      alignas(64) float edge[kTileRows * kTileColumns];
      multiply(o, edge, kTileColumns, false);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t x = 0; x < columns; ++x) to[r * g_.n + x] = (adds ? to[r * g_.n + x] : 0) + edge[r * kTileColumns + x];
      return;
    }
    alignas(64) float whole[kTileRows * kTileColumns];
    float* sums = block_.sums ? block_.sums + i * sum_step_ + j : whole;
    const int64_t step = block_.sums ? sum_step_ : kTileColumns;
    multiply(o, sums, step, !block_.first);
    if (!block_.last) return;
    for (int64_t r = 0; r < rows; ++r) cpu::store(c_, DType::BF16, at + r * g_.n, sums + r * step, columns, g_.add);
  }

 private:
  const Gemm& g_;
  const Block& block_;
  int64_t sum_step_;
  void* c_;
};

template <bool kPairs>
void multiply(const Plan& p, const Block& block, const Operand& a, void* c, Range rows, Range columns, float* packed_a) {
  const Writer write(p.g, block, p.columns, c);
  const TileFunction whole = tile_of<1, kPairs>(kTileRows);
  const int64_t rest = p.g.m % kTileRows;
  const TileFunction edge = rest ? tile_of<1, kPairs>(rest) : whole;
  for (Range group = rows; group.begin < rows.end; group.begin = group.end) {
    group.end = std::min(group.begin + kRowPanels, rows.end);
    pack<kTileRows>(a, group, block.from, block.inner, packed_a);
    for (int64_t j = columns.begin; j < columns.end; ++j)
      for (int64_t i = group.begin; i < group.end; ++i)
        write.tile(i + 1 == p.row_panels ? edge : whole,
                   {packed_a + (i - group.begin) * kTileRows * block.words, kTileRows, block.b + j * kTileColumns * block.words,
                    kTileColumns, block.words},
                   i * kTileRows, j * kTileColumns);
  }
}

// Runs all blocks; called by each thread of the team.
void run_blocks(const Plan& p, const void* a_data, const void* b_data, void* c, float* workspace) {
  const Gemm& g = p.g;
  const int64_t threads = omp_get_num_threads(), thread = omp_get_thread_num();
  const Operand a = p.operand_a(a_data), b = p.operand_b(b_data);
  float *packed_b = workspace, *sums = packed_b + p.b_floats(), *packed_a = sums + p.sum_floats() + thread * p.a_floats();
  for (int64_t column = 0; column < g.n; column += p.columns)
    for (int64_t from = 0; from < g.k; from += p.inner) {
      const int64_t inner = std::min(p.inner, g.k - from), columns = std::min(p.columns, g.n - column);
      const int64_t words = panels(inner, p.pairs ? 2 : 1), column_panels = panels(columns, kTileColumns);
      const Range packed = share(column_panels, thread, threads);
      pack<kTileColumns>(b, {column / kTileColumns + packed.begin, column / kTileColumns + packed.end}, from, inner,
                         packed_b + packed.begin * kTileColumns * words);
#pragma omp barrier
      const Block block{packed_b, p.sums_apart ? sums : nullptr, column, columns, from, inner, words, from == 0, from + inner == g.k};
      const int64_t over_rows = threads_over_rows(threads, p.row_panels, column_panels);
      const Range rows = share(p.row_panels, thread % over_rows, over_rows);
      const Range mine = share(column_panels, thread / over_rows, threads / over_rows);
      if (p.pairs)
        multiply<true>(p, block, a, c, rows, mine, packed_a);
      else
        multiply<false>(p, block, a, c, rows, mine, packed_a);
#pragma omp barrier
    }
}

}  // namespace

uint64_t Gemm::workspace() const {
  const Plan p(*this);
  return static_cast<uint64_t>(threads * p.a_floats() + p.b_floats() + p.sum_floats()) * sizeof(float);
}

void Gemm::run(const void* a_data, const void* b_data, void* c_data, void* workspace) const {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    if (!add) std::memset(c_data, 0, static_cast<size_t>(m * n * width_of(c)));
    return;
  }
  const Plan plan(*this);
  const int team = m * n * k < kAlone ? 1 : threads;
#pragma omp parallel num_threads(team)
  run_blocks(plan, a_data, b_data, c_data, static_cast<float*>(workspace));
}

}  // namespace corral::cpu
