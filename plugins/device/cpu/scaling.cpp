// Scaling by a factor per feature or per row.
#include <algorithm>

#include "plugins/device/cpu/kernel.h"
#include "plugins/device/cpu/number.h"

namespace corral::cpu {
namespace {

constexpr int64_t kBlock = 1024;

// sizes: rows, features.
void matrix_sizes(const NodeView& node, Prepared& p) {
  p.sizes[0] = node.in(0).rows();
  p.sizes[1] = node.in(0)[-1];
}

// Calls f(row, first feature, values, count) in blocks of a row; f changes the values in place.
template <class F>
void row_blocks(const Prepared& p, const void* x, void* y, F f) {
  const int64_t N = p.sizes[0], D = p.sizes[1];
#pragma omp parallel for schedule(static) num_threads(p.context.threads)
  for (int64_t r = 0; r < N; ++r) {
    float block[kBlock];
    for (int64_t d = 0; d < D; d += kBlock) {
      const int64_t n = std::min(kBlock, D - d);
      load(block, x, p.in[0], r * D + d, n);
      f(r, d, block, n);
      store(y, p.out[0], r * D + d, block, n, p.adds(0));
    }
  }
}

void scale_features(const Prepared& p, void* const* in, void* const* out, void*) {
  row_blocks(p, in[0], out[0], [&](int64_t, int64_t d, float* x, int64_t n) {
    float w[kBlock];
    load(w, in[1], p.in[1], d, n);
    for (int64_t i = 0; i < n; ++i) x[i] *= w[i];
  });
}

void scale_rows(const Prepared& p, void* const* in, void* const* out, void*) {
  row_blocks(p, in[0], out[0], [&](int64_t r, int64_t, float* x, int64_t n) {
    float w;
    load(&w, in[1], p.in[1], r, 1);
    for (int64_t i = 0; i < n; ++i) x[i] *= w;
  });
}

// Each thread owns a range of features, so that the order of the sum does not depend on the number of threads.
void scale_features_backward(const Prepared& p, void* const* in, void* const* out, void*) {
  constexpr int64_t kSlice = 64;
  const int64_t N = p.sizes[0], D = p.sizes[1];
#pragma omp parallel for schedule(static) num_threads(p.context.threads)
  for (int64_t d = 0; d < D; d += kSlice) {
    float dy[kSlice], x[kSlice], sum[kSlice];
    double total[kSlice] = {};
    const int64_t n = std::min(kSlice, D - d);
    for (int64_t r = 0; r < N; ++r) {
      load(dy, in[0], p.in[0], r * D + d, n);
      load(x, in[1], p.in[1], r * D + d, n);
      for (int64_t i = 0; i < n; ++i) total[i] += static_cast<double>(dy[i]) * x[i];
    }
    std::copy(total, total + n, sum);
    store(out[0], p.out[0], d, sum, n, p.adds(0));
  }
}

constexpr OpEntry kOps[] = {
    {"scale_features", [](const NodeView& n, Prepared& p) { matrix_sizes(n, p), p.launch = scale_features; }},
    {"scale_features_backward", [](const NodeView& n, Prepared& p) { matrix_sizes(n, p), p.launch = scale_features_backward; }},
    {"scale_rows", [](const NodeView& n, Prepared& p) { matrix_sizes(n, p), p.launch = scale_rows; }},
};

}  // namespace

std::span<const OpEntry> scaling_ops() { return kOps; }

}  // namespace corral::cpu
