// Speed of the CPU device's matrix products beside the limits of the processor and its memory: one table.
//   bench-device-cpu [threads]      CORRAL_CPU chooses the instruction set
#include <dnnl.h>
#include <immintrin.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "corral/graph.h"
#include "kernel/runtime/session.h"
#include "tests/conformance/load_device.h"

namespace corral {
namespace {

// Seconds of the fastest call among those that fit into a quarter of a second.
template <class F>
double fastest(F f) {
  using Clock = std::chrono::steady_clock;
  f();
  double best = 1e9;
  for (const Clock::time_point start = Clock::now(); Clock::now() - start < std::chrono::milliseconds(250);) {
    const Clock::time_point begin = Clock::now();
    f();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return best;
}

// Twelve independent sums of eight floats, as two units with a latency of four cycles need eight to stay busy.
__attribute__((target("avx2,fma"))) void add_products(int64_t times, float* out) {
  __m256 total[12];
  for (int i = 0; i < 12; ++i) total[i] = _mm256_set1_ps(static_cast<float>(i));
  const __m256 x = _mm256_set1_ps(out[0]), y = _mm256_set1_ps(out[1]);
  for (int64_t n = 0; n < times; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) total[i] = _mm256_fmadd_ps(total[i], x, y);
  }
  for (const __m256& t : total) out[0] += t[0];
}

double peak_flop(int threads) {
  constexpr int64_t kTimes = 1 << 20;
  return threads * kTimes * 12 * 16 / fastest([&] {
#pragma omp parallel num_threads(threads)
           {
             float numbers[2] = {0.5f, 0.25f};
             add_products(kTimes, numbers);
             volatile float kept = numbers[0];
             (void)kept;
           }
         });
}

__attribute__((target("avx2"))) float sum(const float* x, int64_t n) {
  __m256 total[8] = {};
  for (int64_t i = 0; i < n; i += 64)
    for (int j = 0; j < 8; ++j) total[j] += _mm256_loadu_ps(x + i + 8 * j);
  for (int j = 1; j < 8; ++j) total[0] += total[j];
  return total[0][0] + total[0][1];
}

double read_bytes(int threads) {
  const int64_t n = int64_t{1} << 27;
  const std::vector<float> x(static_cast<size_t>(n), 1.0f);
  volatile float kept = 0;
  return static_cast<double>(n) * 4 / fastest([&] {
           float total = 0;
#pragma omp parallel num_threads(threads) reduction(+ : total)
           total += sum(x.data() + n / threads / 64 * 64 * omp_get_thread_num(), n / threads / 64 * 64);
           kept = total;
         });
}

struct Product {
  const char* role;
  int64_t rows, n, k;
};

// Seconds of one matrix product on the device.
double seconds(const std::shared_ptr<const DeviceHandle>& device, const Product& p, DType dtype) {
  Graph g;
  GraphBuilder b(g);
  const bool wgrad = p.role == std::string_view("wgrad"), dgrad = p.role == std::string_view("dgrad");
  State s;
  s.kind = StateKind::STATISTIC;
  const TensorId x = b.state("a", dtype, {1, p.rows, wgrad || dgrad ? p.n : p.k}, s);
  const TensorId w = b.state("b", dtype, wgrad ? Shape{1, p.rows, p.k} : Shape{p.n, p.k}, s);
  const TensorId y = b.state("y", wgrad ? DType::F32 : dtype, wgrad ? Shape{p.n, p.k} : Shape{1, p.rows, dgrad ? p.k : p.n}, s);
  b.node("product", {x, w}, {y}, {{"role", attribute(std::string(p.role))}});
  runtime::Session session(device, {{"node", g}});
  session.allocate();
  const size_t program = session.program("node", [](const Node&) { return true; });
  return fastest([&] { session.run(program); });
}

double onednn_seconds(const Product& p) {
  const bool ta = p.role == std::string_view("wgrad"), tb = p.role == std::string_view("fprop");
  const int64_t m = ta ? p.n : p.rows, n = tb ? p.n : p.k, k = ta ? p.rows : tb ? p.k : p.n;
  const std::vector<float> a(static_cast<size_t>(m * k)), b(static_cast<size_t>(n * k));
  std::vector<float> c(static_cast<size_t>(m * n));
  return fastest(
      [&] { dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, 1, a.data(), ta ? m : k, b.data(), tb ? k : n, 0, c.data(), n); });
}

int main(int threads) {
  omp_set_num_threads(threads);
  DeviceOpen open;
  open.threads = static_cast<uint32_t>(threads);
  const auto device = load_device(CORRAL_DEVICE, open);
  const double flop = peak_flop(threads), bytes = read_bytes(threads);
  std::printf("%d threads, %s; float32 multiply-adds: %.0f GFLOP/s; memory read: %.1f GB/s\n\n", threads,
              device->info().instruction_set.c_str(), flop / 1e9, bytes / 1e9);
  std::printf("%-6s %5s %6s %5s %9s %5s %9s %5s %9s\n", "role", "rows", "n", "k", "fp32", "peak", "bf16", "peak", "oneDNN");
  constexpr Product kProducts[] = {{"fprop", 2048, 768, 768},  {"fprop", 2048, 256, 768},  {"fprop", 2048, 2048, 768},
                                   {"fprop", 2048, 768, 2048}, {"dgrad", 2048, 2048, 768}, {"wgrad", 2048, 2048, 768},
                                   {"fprop", 2048, 384, 128},  {"fprop", 2048, 2048, 128}};
  for (const Product& p : kProducts) {
    const double work = 2.0 * static_cast<double>(p.rows * p.n * p.k), fp32 = work / seconds(device, p, DType::F32),
                 bf16 = work / seconds(device, p, DType::BF16);
    std::printf("%-6s %5lld %6lld %5lld %9.1f %4.0f%% %9.1f %4.0f%% %9.1f   GFLOP/s\n", p.role, static_cast<long long>(p.rows),
                static_cast<long long>(p.n), static_cast<long long>(p.k), fp32 / 1e9, 100 * fp32 / flop, bf16 / 1e9, 100 * bf16 / flop,
                work / onednn_seconds(p) / 1e9);
  }
  std::printf("\n");
  for (const int64_t rows : {1, 4}) {
    const Product p{"fprop", rows, 32000, 2048};
    const double fp32 = static_cast<double>(p.n * p.k) * 4 / seconds(device, p, DType::F32),
                 bf16 = static_cast<double>(p.n * p.k) * 2 / seconds(device, p, DType::BF16);
    std::printf("%-6s %5lld %6lld %5lld %9.1f %4.0f%% %9.1f %4.0f%%             GB/s, %% of memory read\n", p.role,
                static_cast<long long>(rows), static_cast<long long>(p.n), static_cast<long long>(p.k), fp32 / 1e9, 100 * fp32 / bytes,
                bf16 / 1e9, 100 * bf16 / bytes);
  }
  return 0;
}

}  // namespace
}  // namespace corral

int main(int argc, char** argv) { return corral::main(argc > 1 ? std::max(1, std::atoi(argv[1])) : omp_get_num_procs()); }
