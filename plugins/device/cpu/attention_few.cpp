// The keys of a query are cut into spans. A span is computed for all heads at once, so that whole cache rows are read in order; it has its
// own maximum, sum and values, which are joined in the order of the spans. The cuts depend only on the number of keys, so the result has
// the same bits for any number of threads.
#include "plugins/device/cpu/attention_few.h"

#include <omp.h>

#include "plugins/device/cpu/softmax.h"

namespace corral::cpu {
namespace {

constexpr int64_t kLeastSpan = 32, kMostSpans = 64;  // a span's values stay in the L2 cache while its scores are computed
constexpr int64_t kAtOnce = 4;                       // keys per step
constexpr int kHeads = kLanes == 16 ? 4 : 2;         // heads per step: their sums with kAtOnce keys fit the registers
constexpr int64_t kRowsAhead = 8;                    // rows of keys that are prefetched

int64_t span_of(int64_t keys) { return rounded_up(std::max(kLeastSpan, (keys + kMostSpans - 1) / kMostSpans), kAtOnce); }
int64_t spans_of(int64_t keys) { return (keys + span_of(keys) - 1) / span_of(keys); }

inline float number(const float* p) { return *p; }
inline float number(const uint16_t* p) { return from_bf16(*p); }

template <class W>
inline void prefetch(const W* from, int64_t n) {
  for (int64_t i = 0; i < n; i += 64 / static_cast<int64_t>(sizeof(W))) __builtin_prefetch(from + i, 0, 2);
}

// The sum of each of four vectors.
inline __m128 sums(const Vec* v) {
  const auto half = [](Vec x) {
#if defined(__AVX512F__)
    return (__m256)__builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
           (__m256)__builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
#else
    return (__m256)x;
#endif
  };
  const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(half(v[0]), half(v[1])), _mm256_hadd_ps(half(v[2]), half(v[3])));
  return _mm256_castps256_ps128(pairs) + _mm256_extractf128_ps(pairs, 1);
}

// One span of keys for one query.
template <class W>
struct Span {
  const AttentionSizes& z;
  const float* q;  // [heads, D]
  const W *k, *v;  // [keys, groups, D]
  int64_t keys;
  float* scores;  // [heads, step]
  int64_t step;
  float *y, *max, *sum;  // [heads, D], [heads], [heads]
};

// Scores of kKeys keys from `s` on for kHeadsHere heads of a group.
template <int kHeadsHere, int kKeys, class W>
void score(const Span<W>& a, const W* k, int64_t head, int64_t s) {
  const int64_t D = a.z.D, stride = a.z.G();
  const float* q = a.q + head * D;
  Vec total[kHeadsHere][kKeys] = {};
  int64_t d = 0;
  for (; d + kLanes <= D; d += kLanes) {
    Vec key[kKeys];
    for (int j = 0; j < kKeys; ++j) key[j] = load(k + j * stride + d);
    for (int h = 0; h < kHeadsHere; ++h) {
      const Vec x = load(q + h * D + d);
      for (int j = 0; j < kKeys; ++j) total[h][j] += x * key[j];
    }
  }
  for (int h = 0; h < kHeadsHere; ++h) {
    float result[kKeys];
    if constexpr (kKeys == kAtOnce)
      _mm_storeu_ps(result, sums(total[h]));
    else
      for (int j = 0; j < kKeys; ++j) result[j] = cpu::sum(total[h][j]);
    for (int j = 0; j < kKeys; ++j) {
      for (int64_t i = d; i < D; ++i) result[j] += q[h * D + i] * number(k + j * stride + i);
      a.scores[(head + h) * a.step + s + j] = a.z.scale * result[j];
    }
  }
}

template <int kKeys, class W>
void score(const Span<W>& a, int64_t s) {
  const int64_t heads = a.z.heads_of_group();
  for (int64_t g = 0; g < a.z.groups; ++g) {
    const int64_t at = s * a.z.G() + g * a.z.D;
    const W* k = a.k + at;
    for (int j = 0; j < kKeys; ++j) {
      prefetch(k + (j + kRowsAhead) * a.z.G(), a.z.D);
      prefetch(a.v + at + j * a.z.G(), a.z.D);
    }
    const int64_t end = (g + 1) * heads;
    int64_t h = g * heads;
    for (; h + kHeads <= end; h += kHeads) score<kHeads, kKeys>(a, k, h, s);
    if constexpr (kHeads == 4) {
      if (end - h == 3) score<3, kKeys>(a, k, h, s);
      if (end - h == 2) score<2, kKeys>(a, k, h, s);
    }
    if (end - h == 1) score<1, kKeys>(a, k, h, s);
  }
}

// Adds up the weighted values of the span into kVectors vectors of kHeadsHere heads, from feature d on.
template <int kHeadsHere, int kVectors, class W>
void add_values(const Span<W>& a, const W* v, int64_t head, int64_t d) {
  Vec total[kHeadsHere][kVectors] = {};
  const float* scores = a.scores + head * a.step;
  for (int64_t s = 0; s < a.keys; ++s)
    for (int i = 0; i < kVectors; ++i) {
      const Vec x = load(v + s * a.z.G() + d + i * kLanes);
      for (int h = 0; h < kHeadsHere; ++h) total[h][i] += broadcast(scores[h * a.step + s]) * x;
    }
  for (int h = 0; h < kHeadsHere; ++h)
    for (int i = 0; i < kVectors; ++i) store(a.y + (head + h) * a.z.D + d + i * kLanes, total[h][i]);
}

template <int kHeadsHere, class W>
void add_values(const Span<W>& a, const W* v, int64_t head) {
  int64_t d = 0;
  for (; d + 4 * kLanes <= a.z.D; d += 4 * kLanes) add_values<kHeadsHere, 4>(a, v, head, d);
  for (; d + kLanes <= a.z.D; d += kLanes) add_values<kHeadsHere, 1>(a, v, head, d);
  for (; d < a.z.D; ++d)
    for (int64_t h = head; h < head + kHeadsHere; ++h) {
      float total = 0;
      for (int64_t s = 0; s < a.keys; ++s) total += a.scores[h * a.step + s] * number(v + s * a.z.G() + d);
      a.y[h * a.z.D + d] = total;
    }
}

template <class W>
void attend_span(const Span<W>& a) {
  const int64_t heads = a.z.heads_of_group();
  int64_t s = 0;
  for (; s + kAtOnce <= a.keys; s += kAtOnce) {
    score<kAtOnce>(a, s);
  }
  for (; s < a.keys; ++s) score<1>(a, s);
  for (int64_t h = 0; h < a.z.heads; ++h) {
    float* mine = a.scores + h * a.step;
    a.max[h] = largest(mine, a.keys);
    a.sum[h] = scaled_exp(mine, a.keys, a.max[h], 1);
  }
  for (int64_t g = 0; g < a.z.groups; ++g) {
    const W* v = a.v + g * a.z.D;
    const int64_t end = (g + 1) * heads;
    int64_t h = g * heads;
    for (; h + kHeads <= end; h += kHeads) add_values<kHeads>(a, v, h);
    if constexpr (kHeads == 4) {
      if (end - h == 3) add_values<3>(a, v, h);
      if (end - h == 2) add_values<2>(a, v, h);
    }
    if (end - h == 1) add_values<1>(a, v, h);
  }
}

// The keys that a query sees.
struct Keys {
  int64_t from, count;
  Keys(const KeyBounds& bounds, int64_t query) {
    const auto [first, last] = bounds.of(query);
    from = first, count = std::max<int64_t>(last + 1 - first, 0);
  }
};

// Results of one span: values, maximum and sum of each head.
struct Parts {
  float *y, *max, *sum;
  Parts(const AttentionSizes& z, float* workspace, int64_t part)
      : y(workspace + part * z.heads * (z.D + 2)), max(y + z.heads * z.D), sum(max + z.heads) {}
};

int64_t most_spans(const AttentionSizes& z) { return std::min(kMostSpans, (z.S + kLeastSpan - 1) / kLeastSpan); }

void join(const AttentionSizes& z, float* workspace, int64_t row, int64_t spans, int64_t head, float* y) {
  const auto part = [&](int64_t i) { return Parts(z, workspace, row * most_spans(z) + i); };
  float most = -INFINITY, total = 0;
  for (int64_t i = 0; i < spans; ++i) most = std::max(most, part(i).max[head]);
  std::fill(y, y + z.D, 0.0f);
  for (int64_t i = 0; i < spans; ++i) {
    const Parts p = part(i);
    const float weight = std::exp(p.max[head] - most);
    total += weight * p.sum[head];
    add_scaled(y, weight, p.y + head * z.D, z.D);
  }
  const float inverse = spans ? 1 / total : 0;
  for (int64_t d = 0; d < z.D; ++d) y[d] *= inverse;
}

template <class W>
void attend(const Prepared& p, const AttentionSizes& z, const KeyBounds& bounds, void* const* in, void* y, float* workspace) {
  const auto *keys = static_cast<const W*>(in[1]), *values = static_cast<const W*>(in[2]);
  const int64_t rows = z.B * z.T, step = span_of(z.S);
  int64_t units = 0;
  for (int64_t row = 0; row < rows; ++row) units += spans_of(Keys(bounds, row).count);
#pragma omp parallel num_threads(p.context.threads)
  {
    const int64_t thread = omp_get_thread_num(), threads = omp_get_num_threads();
    float* scores = workspace + rows * most_spans(z) * z.heads * (z.D + 2) + thread * z.heads * (step + z.D);
    float* q = scores + z.heads * step;
    int64_t begin = units * thread / threads,
            end = units * (thread + 1) / threads;  // this thread's units, relative to the first unit of the row
    for (int64_t row = 0; row < rows && end > 0; ++row) {
      const Keys seen(bounds, row);
      const int64_t span = span_of(seen.count), spans = spans_of(seen.count);
      if (begin < spans) load(q, in[0], p.in[0], row * z.H(), z.H());
      for (int64_t i = std::max<int64_t>(begin, 0); i < std::min(end, spans); ++i) {
        const int64_t at = (row / z.T * z.S + seen.from + i * span) * z.G();
        const Parts part(z, workspace, row * most_spans(z) + i);
        attend_span<W>({z, q, keys + at, values + at, std::min(span, seen.count - i * span), scores, step, part.y, part.max, part.sum});
      }
      begin -= spans, end -= spans;
    }
#pragma omp barrier
#pragma omp for schedule(static)
    for (int64_t unit = 0; unit < rows * z.heads; ++unit) {
      const int64_t row = unit / z.heads, head = unit % z.heads;
      join(z, workspace, row, spans_of(Keys(bounds, row).count), head, q);
      store(y, p.out[0], unit * z.D, q, z.D, false);
    }
  }
}

}  // namespace

int64_t floats_of_few(const AttentionSizes& z, int64_t threads) {
  return z.B * z.T * most_spans(z) * z.heads * (z.D + 2) + threads * z.heads * (span_of(z.S) + z.D);
}

void attend_few(const Prepared& p, const AttentionSizes& z, const KeyBounds& bounds, void* const* in, void* y, float* workspace) {
  return p.in[1] == DType::BF16 ? attend<uint16_t>(p, z, bounds, in, y, workspace) : attend<float>(p, z, bounds, in, y, workspace);
}

}  // namespace corral::cpu
