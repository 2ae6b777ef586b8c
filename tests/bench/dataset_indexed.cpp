// Speed of one core that reads rows of a Megatron data pair through the plugin's C interface, and that writes a pair. The pair is in the
// page cache. --check ends with 1 below 200 MB/s of tokens.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "kernel/plugin/dataset.h"
#include "tests/conformance/load_device.h"

namespace {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kTokens = 64'000'000, kLength = 4096, kBatch = 8;
constexpr int kPasses = 3;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Writes a pair with documents of 1 to 2000 random tokens.
template <class T>
void write_pair(const std::string& prefix, uint8_t code) {
  std::mt19937 random(1);
  std::vector<T> tokens(kTokens);
  for (T& token : tokens) token = static_cast<T>(random() % 65000);
  std::ofstream(prefix + ".bin", std::ios::binary)
      .write(reinterpret_cast<const char*>(tokens.data()), static_cast<std::streamsize>(kTokens * sizeof(T)));
  std::vector<int32_t> lengths;
  std::vector<int64_t> pointers, documents{0};
  for (uint64_t at = 0; at < kTokens; at += static_cast<uint64_t>(lengths.back())) {
    lengths.push_back(static_cast<int32_t>(std::min<uint64_t>(1 + random() % 2000, kTokens - at)));
    pointers.push_back(static_cast<int64_t>(at * sizeof(T)));
    documents.push_back(static_cast<int64_t>(lengths.size()));
  }
  std::ofstream index(prefix + ".idx", std::ios::binary);
  const auto put = [&](const auto* values, size_t count) {
    index.write(reinterpret_cast<const char*>(values), static_cast<std::streamsize>(count * sizeof *values));
  };
  const uint64_t version = 1, counts[] = {lengths.size(), documents.size()};
  put("MMIDIDX\0", 9);
  put(&version, 1);
  put(&code, 1);
  put(counts, 2);
  put(lengths.data(), lengths.size());
  put(pointers.data(), pointers.size());
  put(documents.data(), documents.size());
}

struct Speed {
  double open_seconds, tokens_per_second;
};

Speed measure(const std::shared_ptr<const corral::Plugin>& plugin, const std::string& prefix, bool shuffle) {
  corral::DatasetRequest request;
  request.paths = {prefix};
  request.split = "1";
  request.shuffle = shuffle;
  request.seq_length = kLength;
  request.num_ids = 65000;
  request.end_of_text_id = 0;
  request.threads = 1;
  auto begin = Clock::now();
  const auto data = corral::DatasetHandle::open(plugin, request, nullptr);
  const uint64_t rows = data.info().parts.at(0).rows / kBatch * kBatch;
  Speed speed{seconds_since(begin), 0};
  std::vector<int32_t> out[4];
  for (auto& array : out) array.resize(kBatch * kLength);
  std::vector<float> weights(kBatch * kLength);
  for (int pass = 0; pass < kPasses; ++pass) {
    begin = Clock::now();
    for (uint64_t row = 0; row < rows; row += kBatch)
      data.fetch(0, row, kBatch, out[0].data(), out[1].data(), out[2].data(), out[3].data(), weights.data());
    speed.tokens_per_second = std::max(speed.tokens_per_second, static_cast<double>(rows * kLength) / seconds_since(begin));
  }
  return speed;
}
}  // namespace

int main(int argc, char** argv) {
  const bool check = argc > 1 && std::strcmp(argv[1], "--check") == 0;
  std::string folder = fs::temp_directory_path() / "corral-bench-XXXXXX";
  if (!mkdtemp(folder.data())) return std::perror("mkdtemp"), 3;
  const auto plugin = corral::load_built(CORRAL_DATASET, CORRAL_DATASET_ID);
  bool fast = true;
  std::printf("%llu tokens, rows of %llu, one core\n%-8s %-9s %10s %10s %10s\n", static_cast<unsigned long long>(kTokens),
              static_cast<unsigned long long>(kLength), "type", "order", "open s", "Mtokens/s", "MB/s");
  for (const auto& [type, code, bytes, write] :
       {std::tuple{"uint16", uint8_t{8}, 2, &write_pair<uint16_t>}, std::tuple{"int32", uint8_t{4}, 4, &write_pair<int32_t>}}) {
    const std::string prefix = folder + "/" + type;
    write(prefix, code);
    for (const bool shuffle : {false, true}) {
      const Speed speed = measure(plugin, prefix, shuffle);
      const double megabytes = speed.tokens_per_second * bytes / 1e6;
      fast = fast && megabytes >= 200;
      std::printf("%-8s %-9s %10.3f %10.1f %10.1f\n", type, shuffle ? "shuffled" : "file", speed.open_seconds,
                  speed.tokens_per_second / 1e6, megabytes);
      std::fflush(stdout);
    }
    for (const char* ending : {".idx", ".bin"}) fs::remove(prefix + ending);
  }
  fs::remove_all(folder);
  if (check && !fast) std::puts("slower than 200 MB/s");
  return check && !fast;
}
