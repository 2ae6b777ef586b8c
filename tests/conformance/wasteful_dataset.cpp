// A dataset plugin that allocates memory in every fetch, in every way that exists.
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

#include "corral/dataset.h"
#include "tests/abi/faulty.h"

namespace {

// Each block is stored in a volatile pointer, so that the compiler cannot remove its allocation.
void waste() {
  static void* volatile kept;
  kept = std::malloc(100);
  kept = std::realloc(kept, 200);
  std::free(kept);
  kept = std::calloc(1, 100);
  std::free(kept);
  kept = std::aligned_alloc(64, 128);
  std::free(kept);
  void* aligned = nullptr;
  if (posix_memalign(&aligned, 64, 100) == 0) std::free(kept = aligned);
  kept = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(kept, 4096);
}

class Rows final : public corral::DatasetInstance {
 public:
  explicit Rows(int64_t length) : length_(static_cast<uint64_t>(length)) {}
  corral::DatasetInfo info() override { return {}; }
  void fetch(uint64_t, uint64_t, uint64_t rows, const corral_batch& batch) override {
    waste();
    std::vector<int32_t> ids(rows * length_);
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i % 7);
    std::copy(ids.begin(), ids.end(), batch.tokens);
    std::copy(ids.begin(), ids.end(), batch.targets);
    for (size_t i = 0; i < ids.size(); ++i) {
      batch.positions[i] = static_cast<int32_t>(i % length_);
      batch.first_key[i] = 0;
    }
  }

 private:
  uint64_t length_;
};

class Wasteful final : public corral::Dataset<corral::NoOptions> {
  std::unique_ptr<corral::DatasetInstance> open(const corral::NoOptions&, const corral::DatasetRequest& request, corral::Encoder) override {
    return std::make_unique<Rows>(request.seq_length);
  }
};

}  // namespace

CORRAL_PLUGIN(Wasteful)
