// Operations on rows of features: embedding, norms, RoPE, selection, reductions.
#include <omp.h>

#include <algorithm>

#include "plugins/device/cpu/kernel.h"
#include "plugins/device/cpu/number.h"

namespace corral::cpu {
namespace {

void row_sizes(const NodeView& node, Prepared& p) {
  p.sizes[0] = node.in(0).rows();
  p.sizes[1] = node.in(0)[-1];
}

float* scratch(void* workspace, int thread, int64_t each) { return static_cast<float*>(workspace) + thread * each; }

void embedding(const Prepared& p, void* const* in, void* const* out, void*) {
  const auto* tokens = static_cast<const int32_t*>(in[0]);
  const int64_t N = p.sizes[0], D = p.sizes[1], V = p.sizes[2];
#pragma omp parallel for schedule(static) num_threads(p.team(N* D))
  for (int64_t i = 0; i < N; ++i) {
    if (tokens[i] < 0 || tokens[i] >= V) {
      std::memset(at(out[0], p.out[0], i * D), 0, static_cast<size_t>(D * width_of(p.out[0])));
      continue;
    }
    if (p.in[1] == p.out[0]) {
      std::memcpy(at(out[0], p.out[0], i * D), at(in[1], p.in[1], tokens[i] * D), static_cast<size_t>(D * width_of(p.out[0])));
      continue;
    }
    float block[256];
    for (int64_t d = 0; d < D; d += 256) {
      const int64_t n = std::min<int64_t>(256, D - d);
      load(block, in[1], p.in[1], tokens[i] * D + d, n);
      store(out[0], p.out[0], i * D + d, block, n, false);
    }
  }
}

// Each thread owns a range of features, so that the order of the sum over tokens does not depend on the number of threads.
void embedding_backward(const Prepared& p, void* const* in, void* const* out, void*) {
  const auto* tokens = static_cast<const int32_t*>(in[1]);
  const int64_t N = p.sizes[0], D = p.sizes[1], V = p.sizes[2];
  auto* dw = static_cast<float*>(out[0]);
  constexpr int64_t kSlice = 64;
  if (!p.adds(0)) {
#pragma omp parallel for schedule(static) num_threads(p.team(V* D))
    for (int64_t i = 0; i < V; ++i) std::memset(dw + i * D, 0, static_cast<size_t>(D) * sizeof(float));
  }
#pragma omp parallel for schedule(static) num_threads(p.team(N* D))
  for (int64_t d = 0; d < D; d += kSlice) {
    float block[kSlice];
    const int64_t n = std::min(kSlice, D - d);
    for (int64_t i = 0; i < N; ++i) {
      if (tokens[i] < 0 || tokens[i] >= V) continue;
      load(block, in[0], p.in[0], i * D + d, n);
      add_scaled(dw + tokens[i] * D + d, 1, block, n);
    }
  }
}

void rms_norm(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  const int64_t N = p.sizes[0], D = p.sizes[1];
  float* w = static_cast<float*>(workspace);
  load(w, in[1], p.in[1], 0, D);
#pragma omp parallel num_threads(p.team(N* D))
  {
    float* x = scratch(workspace, 1 + omp_get_thread_num(), D);
#pragma omp for schedule(static)
    for (int64_t r = 0; r < N; ++r) {
      load(x, in[0], p.in[0], r * D, D);
      const float s = 1 / std::sqrt(dot(x, x, D) / static_cast<float>(D) + static_cast<float>(p.numbers[0]));
      for (int64_t d = 0; d < D; ++d) x[d] = w[d] * (x[d] * s);
      store(out[0], p.out[0], r * D, x, D, false);
    }
  }
}

// Rows are divided into a fixed number of chunks, each with a partial dw; these are summed in order: the same bits for any number of
// threads.
constexpr int64_t kChunks = 16;

void rms_norm_backward(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  const int64_t N = p.sizes[0], D = p.sizes[1];
  float* w = static_cast<float*>(workspace);
  float* partial = w + D;
  float* rows = partial + kChunks * D;
  load(w, in[1], p.in[1], 0, D);
  std::memset(partial, 0, static_cast<size_t>(kChunks * D) * sizeof(float));
#pragma omp parallel num_threads(p.team(N* D))
  {
    float* x = rows + 2 * D * omp_get_thread_num();
    float* dy = x + D;
#pragma omp for schedule(static)
    for (int64_t c = 0; c < kChunks; ++c) {
      float* dw = partial + c * D;
      for (int64_t r = N * c / kChunks; r < N * (c + 1) / kChunks; ++r) {
        load(x, in[0], p.in[0], r * D, D);
        load(dy, in[2], p.in[2], r * D, D);
        const float s = 1 / std::sqrt(dot(x, x, D) / static_cast<float>(D) + static_cast<float>(p.numbers[0]));
        float inner = 0;
#pragma omp simd reduction(+ : inner)
        for (int64_t d = 0; d < D; ++d) inner += w[d] * dy[d] * x[d];
        const float pull = s * s * inner / static_cast<float>(D);
        for (int64_t d = 0; d < D; ++d) {
          dw[d] += dy[d] * (x[d] * s);
          x[d] = s * (w[d] * dy[d] - x[d] * pull);
        }
        if (out[0]) store(out[0], p.out[0], r * D, x, D, p.adds(0));
      }
    }
  }
  for (int64_t c = 1; c < kChunks; ++c) add_scaled(partial, 1, partial + c * D, D);
  if (out[1]) store(out[1], p.out[1], 0, partial, D, p.adds(1));
}

// Cosine and sine of float32 angles, computed in float64: reduced to quarter turns, then the series.
void turns(const float* angles, int64_t n, float sign, float* cosines, float* sines) {
  typedef double Wide __attribute__((vector_size(kLanes * 4)));
  typedef int64_t WideInt __attribute__((vector_size(kLanes * 4)));
  constexpr double kMagic = 6755399441055744.0;  // 1.5 2^52: adding it leaves the number of quarters in the low bits
  constexpr int64_t kWide = kLanes / 2;
  for (int64_t i = 0; i < n; i += kWide) {
    Wide x = {};
    for (int64_t j = 0; j < kWide && i + j < n; ++j) x[j] = static_cast<double>(angles[i + j]);
    const Wide shifted = x * 0.63661977236758134 + kMagic, quarters = shifted - kMagic;
    const Wide r = (x - quarters * 1.5707963267948966) - quarters * 6.123233995736766e-17, z = r * r;
    const Wide sine = r + r * z * (-1.0 / 6 + z * (1.0 / 120 + z * (-1.0 / 5040 + z * (1.0 / 362880 + z * (-1.0 / 39916800)))));
    const Wide cosine =
        1 + z * (-0.5 + z * (1.0 / 24 + z * (-1.0 / 720 + z * (1.0 / 40320 + z * (-1.0 / 3628800 + z * (1.0 / 479001600))))));
    const WideInt quarter = (WideInt)shifted;
    const Wide s = (quarter & 1) != 0 ? cosine : sine, c = (quarter & 1) != 0 ? sine : cosine;
    const Wide signed_s = (quarter & 2) != 0 ? -s : s, signed_c = ((quarter + 1) & 2) != 0 ? -c : c;
    for (int64_t j = 0; j < kWide && i + j < n; ++j) {
      cosines[i + j] = static_cast<float>(signed_c[j]);
      sines[i + j] = sign * static_cast<float>(signed_s[j]);
    }
  }
}

void rope(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  const int64_t N = p.sizes[0], W = p.sizes[1], hd = p.sizes[2], half = hd / 2;
  const auto* positions = static_cast<const int32_t*>(in[1]);
  const float sign = p.sizes[3] ? -1.0f : 1.0f;
#pragma omp parallel num_threads(p.team(N* W))
  {
    float* x = scratch(workspace, omp_get_thread_num(), W + hd);
    float *c = x + W, *s = c + half;
#pragma omp for schedule(static)
    for (int64_t r = 0; r < N; ++r) {
      for (int64_t j = 0; j < half; ++j) c[j] = static_cast<float>(positions[r]) * static_cast<float>(p.list[static_cast<size_t>(j)]);
      turns(c, half, sign, c, s);
      load(x, in[0], p.in[0], r * W, W);
      for (int64_t h = 0; h < W; h += hd)
        for (int64_t j = 0; j < half; ++j) {
          const float a = x[h + j], b = x[h + j + half];
          x[h + j] = a * c[j] - b * s[j];
          x[h + j + half] = b * c[j] + a * s[j];
        }
      store(out[0], p.out[0], r * W, x, W, false);
    }
  }
}

void select_rows(const Prepared& p, void* const* in, void* const* out, void*) {
  const int64_t B = p.sizes[2], T = p.sizes[3], D = p.sizes[1];
  const auto* index = static_cast<const int32_t*>(in[1]);
  for (int64_t b = 0; b < B; ++b) {
    float block[256] = {};
    for (int64_t d = 0; d < D; d += 256) {
      const int64_t n = std::min<int64_t>(256, D - d);
      if (index[b] >= 0 && index[b] < T) load(block, in[0], p.in[0], (b * T + index[b]) * D + d, n);
      store(out[0], p.out[0], b * D + d, block, n, false);
    }
  }
}

// Sums fixed blocks in float64, in order: the same bits for any number of threads.
template <class F>
double blockwise(const Prepared& p, const void* x, void* workspace, F f) {
  constexpr int64_t kBlock = 4096;
  const int64_t n = p.sizes[0], count = (n + kBlock - 1) / kBlock;
  auto* partial = static_cast<double*>(workspace);
#pragma omp parallel for schedule(static) num_threads(p.team(n))
  for (int64_t b = 0; b < count; ++b) {
    float block[kBlock];
    const int64_t size = std::min(kBlock, n - b * kBlock);
    load(block, x, p.in[0], b * kBlock, size);
    partial[b] = f(block, size);
  }
  double total = 0;
  for (int64_t b = 0; b < count; ++b) total += partial[b];
  return total;
}

void sum(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  const double total = blockwise(p, in[0], workspace, [](const float* x, int64_t n) {
    double s = 0;
    for (int64_t i = 0; i < n; ++i) s += x[i];
    return s;
  });
  auto* y = static_cast<double*>(out[0]);
  *y = (p.adds(0) ? *y : 0) + total;
}

void sum_of_squares(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  const double total = blockwise(p, in[0], workspace, [](const float* x, int64_t n) {
    double s = 0;
#pragma omp simd reduction(+ : s)
    for (int64_t i = 0; i < n; ++i) s += static_cast<double>(x[i]) * x[i];
    return s;
  });
  auto* y = static_cast<float*>(out[0]);
  *y = static_cast<float>((p.adds(0) ? *y : 0.0) + total);
}

void amax(const Prepared& p, void* const* in, void* const* out, void*) {
  float largest = 0, x = 0;
  for (int64_t i = 0; i < p.sizes[0]; ++i) {
    load(&x, in[0], p.in[0], i, 1);
    if (std::fabs(x) > largest) largest = std::fabs(x);
  }
  *static_cast<float*>(out[0]) = largest;
}

void row_squares(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  const int64_t N = p.sizes[0], D = p.sizes[1];
#pragma omp parallel num_threads(p.team(N* D))
  {
    float* x = scratch(workspace, omp_get_thread_num(), D);
#pragma omp for schedule(static)
    for (int64_t r = 0; r < N; ++r) {
      load(x, in[0], p.in[0], r * D, D);
      static_cast<float*>(out[0])[r] = dot(x, x, D);
    }
  }
}

uint64_t floats(int64_t n) { return static_cast<uint64_t>(n) * sizeof(float); }

void reduction(const NodeView& n, Prepared& p, Launch launch) {
  p.sizes[0] = n.in(0).elements();
  p.workspace = static_cast<uint64_t>(p.sizes[0] / 4096 + 1) * sizeof(double);
  p.launch = launch;
}

constexpr OpEntry kOps[] = {
    {"embedding",
     [](const NodeView& n, Prepared& p) {
       p.sizes[0] = n.in(0).elements();
       p.sizes[1] = n.in(1)[1];
       p.sizes[2] = n.in(1)[0];
       p.launch = embedding;
     }},
    {"embedding_backward",
     [](const NodeView& n, Prepared& p) {
       row_sizes(n, p);
       p.sizes[2] = n.in(2)[0];
       p.launch = embedding_backward;
     }},
    {"rms_norm",
     [](const NodeView& n, Prepared& p) {
       row_sizes(n, p);
       p.numbers[0] = n.number("eps", 1e-5);
       p.workspace = floats(p.sizes[1] * (1 + p.context.threads));
       p.launch = rms_norm;
     }},
    {"rms_norm_backward",
     [](const NodeView& n, Prepared& p) {
       row_sizes(n, p);
       p.numbers[0] = n.number("eps", 1e-5);
       p.workspace = floats(p.sizes[1] * (1 + kChunks + 2 * p.context.threads));
       p.launch = rms_norm_backward;
     }},
    {"rope",
     [](const NodeView& n, Prepared& p) {
       row_sizes(n, p);
       p.sizes[2] = n.integer("head_dim", 0);
       p.sizes[3] = n.integer("inverse", 0);
       const auto frequencies = n.numbers("frequencies");
       p.list.assign(frequencies.begin(), frequencies.end());
       p.workspace = floats((p.sizes[1] + p.sizes[2]) * p.context.threads);
       p.launch = rope;
     }},
    {"select_rows",
     [](const NodeView& n, Prepared& p) {
       row_sizes(n, p);
       p.sizes[2] = n.in(0)[0];
       p.sizes[3] = n.in(0)[1];
       p.launch = select_rows;
     }},
    {"sum", [](const NodeView& n, Prepared& p) { reduction(n, p, sum); }},
    {"sum_of_squares", [](const NodeView& n, Prepared& p) { reduction(n, p, sum_of_squares); }},
    {"amax", [](const NodeView& n, Prepared& p) { reduction(n, p, amax); }},
    {"row_squares",
     [](const NodeView& n, Prepared& p) {
       row_sizes(n, p);
       p.workspace = floats(p.sizes[1] * p.context.threads);
       p.launch = row_squares;
     }},
};

}  // namespace

std::span<const OpEntry> row_ops() { return kOps; }

}  // namespace corral::cpu
