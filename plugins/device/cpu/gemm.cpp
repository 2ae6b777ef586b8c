// Both operands are packed block by block, by all threads together; then each thread runs the tiles of its own rectangle of the result.
// The order of additions depends on the inner dimension alone, so the result is the same bits for any number of threads.
#include "plugins/device/cpu/gemm.h"

#include <omp.h>

#include "plugins/device/cpu/pack.h"
#include "plugins/device/cpu/tile.h"

namespace corral::cpu {
namespace {

constexpr int64_t kInner = 512;      // words of the inner dimension in a block: a tile's panels stay in the first caches
constexpr int64_t kColumns = 2048;   // of b in a block: together with a's they stay in the last cache
constexpr int64_t kRowPanels = 12;   // of a that stay in the second cache while the columns pass
constexpr int64_t kAlone = 1 << 17;  // multiplications that are not worth a second thread

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

// Threads as rows x columns so that the largest rectangle is smallest.
int64_t threads_over_rows(int64_t threads, int64_t row_panels, int64_t column_panels) {
  int64_t best = threads, best_cost = INT64_MAX;
  for (int64_t rows = threads; rows >= 1; --rows) {
    if (threads % rows != 0) continue;
    const int64_t cost = panels(row_panels, rows) * panels(column_panels, threads / rows);
    if (cost < best_cost) best = rows, best_cost = cost;
  }
  return best;
}

// Panels of `total` rows (columns of b), `inner` steps from `from` on, into `to`. Shared by the threads of a team.
template <Words w, int64_t P>
void pack(float* to, const void* operand, bool inner_contiguous, int64_t stride, int64_t first, int64_t total, int64_t from,
          int64_t inner) {
  const auto* data = static_cast<const Stored<w>*>(operand);
  const int64_t count = panels(total, P), each = P * panels(inner, kPerWord<w>);
#pragma omp for schedule(static) nowait
  for (int64_t i = 0; i < count; ++i) {
    const int64_t at = first + i * P, size = std::min(P, total - i * P);
    if (inner_contiguous)
      pack_rows<w, P>(to + i * each, data + at * stride + from, stride, size, inner);
    else
      pack_columns<w, P>(to + i * each, data + from * stride + at, stride, size, inner);
  }
}

template <int64_t P>
void pack(Words w, float* to, const void* operand, bool inner_contiguous, int64_t stride, int64_t first, int64_t total, int64_t from,
          int64_t inner) {
  if (w == Words::kFloat) return pack<Words::kFloat, P>(to, operand, inner_contiguous, stride, first, total, from, inner);
  if (w == Words::kPairs) return pack<Words::kPairs, P>(to, operand, inner_contiguous, stride, first, total, from, inner);
  if (w == Words::kPairsFromFloat) return pack<Words::kPairsFromFloat, P>(to, operand, inner_contiguous, stride, first, total, from, inner);
  pack<Words::kFloatFromBf16, P>(to, operand, inner_contiguous, stride, first, total, from, inner);
}

// How a product is cut into blocks, and where they stand in the workspace.
struct Plan {
  const Gemm& g;
  bool pairs;
  int64_t inner, inner_words;  // of a block
  int64_t most_words;          // of a block of any product that is not larger
  int64_t columns, row_panels;
  bool sums_apart;  // a bfloat16 result whose inner dimension takes several blocks is summed in float32 beside it

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
  int64_t a_floats() const { return panels(row_panels * kTileRows * most_words, 16) * 16; }
  int64_t b_floats() const { return columns * most_words; }
  int64_t sum_floats() const { return sums_apart ? row_panels * kTileRows * columns : 0; }
};

// One block of the inner dimension and of the columns.
struct Block {
  const float *a, *b;
  float* sums;
  int64_t column, columns, words;
  bool first, last;
};

class Writer {
 public:
  Writer(const Gemm& g, const Block& block, int64_t sum_step, void* c) : g_(g), block_(block), sum_step_(sum_step), c_(c) {}

  // The tile at row i and column j of the block.
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
void multiply(const Plan& p, const Block& block, void* c, Range rows, Range columns) {
  const Writer write(p.g, block, p.columns, c);
  const TileFunction whole = tile_of<1, kPairs>(kTileRows);
  const int64_t rest = p.g.m % kTileRows;
  const TileFunction edge = rest ? tile_of<1, kPairs>(rest) : whole;
  for (int64_t group = rows.begin; group < rows.end; group += kRowPanels)
    for (int64_t j = columns.begin; j < columns.end; ++j)
      for (int64_t i = group; i < std::min(group + kRowPanels, rows.end); ++i)
        write.tile(i + 1 == p.row_panels ? edge : whole,
                   {block.a + i * kTileRows * block.words, kTileRows, block.b + j * kTileColumns * block.words, kTileColumns, block.words},
                   i * kTileRows, j * kTileColumns);
}

// All blocks, by one thread of a team.
void run_blocks(const Plan& p, const void* a, const void* b, void* c, float* workspace) {
  const Gemm& g = p.g;
  float *packed_a = workspace, *packed_b = packed_a + p.a_floats(), *sums = packed_b + p.b_floats();
  const int64_t threads = omp_get_num_threads(), thread = omp_get_thread_num();
  for (int64_t column = 0; column < g.n; column += p.columns)
    for (int64_t from = 0; from < g.k; from += p.inner) {
      const int64_t inner = std::min(p.inner, g.k - from), columns = std::min(p.columns, g.n - column);
      pack<kTileColumns>(p.words(g.b), packed_b, b, g.tb, g.tb ? g.k : g.n, column, columns, from, inner);
      // Where the inner dimension is one block, that of a serves all columns.
      if (column == 0 || inner < g.k) pack<kTileRows>(p.words(g.a), packed_a, a, !g.ta, g.ta ? g.m : g.k, 0, g.m, from, inner);
#pragma omp barrier
      const Block block{packed_a,  packed_b,           p.sums_apart ? sums : nullptr, column, columns, panels(inner, p.pairs ? 2 : 1),
                        from == 0, from + inner == g.k};
      const int64_t column_panels = panels(columns, kTileColumns), over_rows = threads_over_rows(threads, p.row_panels, column_panels);
      const Range rows = share(p.row_panels, thread % over_rows, over_rows);
      const Range mine = share(column_panels, thread / over_rows, threads / over_rows);
      if (p.pairs)
        multiply<true>(p, block, c, rows, mine);
      else
        multiply<false>(p, block, c, rows, mine);
#pragma omp barrier
    }
}

}  // namespace

uint64_t Gemm::workspace() const {
  const Plan p(*this);
  return static_cast<uint64_t>(p.a_floats() + p.b_floats() + p.sum_floats()) * sizeof(float);
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
