// A training step allocates nothing. All functions that allocate memory are interposed, in all threads, in the device plugin too.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "kernel/passes/activations.h"
#include "kernel/passes/autodiff.h"
#include "kernel/passes/recompute.h"
#include "kernel/passes/step_sums.h"
#include "kernel/plugin/dataset.h"
#include "kernel/plugin/precision.h"
#include "kernel/runtime/initialize.h"
#include "kernel/train/loop.h"
#include "tests/conformance/load_device.h"
#include "tests/unit/passes_small_model.h"

namespace {
std::atomic<bool> counting{false};
enum Way { kMalloc, kCalloc, kRealloc, kAlignedAlloc, kPosixMemalign, kMmap, kWays };
constexpr const char* kNames[] = {"malloc", "calloc", "realloc", "aligned_alloc", "posix_memalign", "mmap"};
std::atomic<uint64_t> allocations[kWays];
void count(Way way) {
  if (counting.load(std::memory_order_relaxed)) allocations[way].fetch_add(1, std::memory_order_relaxed);
}
}  // namespace

// operator new of libstdc++ calls malloc and aligned_alloc.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t n, size_t size);
void* __libc_realloc(void* p, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void* malloc(size_t size) {
  count(kMalloc);
  return __libc_malloc(size);
}
void* calloc(size_t n, size_t size) {
  count(kCalloc);
  return __libc_calloc(n, size);
}
void* realloc(void* p, size_t size) {
  count(kRealloc);
  return __libc_realloc(p, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  count(kAlignedAlloc);
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** p, size_t alignment, size_t size) {
  count(kPosixMemalign);
  *p = __libc_memalign(alignment, size);
  return *p ? 0 : ENOMEM;
}
void* mmap(void* address, size_t size, int protection, int flags, int file, off_t offset) {
  count(kMmap);
  static const auto real = reinterpret_cast<decltype(&mmap)>(dlsym(RTLD_NEXT, "mmap"));
  return real(address, size, protection, flags, file, offset);
}
}

namespace corral {
namespace {

constexpr uint64_t kFrom = 3, kTo = 12;
constexpr int64_t kMicroBatch = 2, kMicroBatches = 3;

// Counts allocations in steps 3 to 12 of the training loop with the built plugins; every step is logged.
class Allocations : public testing::TestWithParam<const char*> {
 protected:
  Allocations() : folder_(std::filesystem::path(testing::TempDir()) / ("corral_allocations_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~Allocations() override { std::filesystem::remove_all(folder_); }

  static std::string built(const std::string& plugin) {
    return CORRAL_BINARY_DIR "/plugins/" + plugin + "/" + plugin.substr(plugin.find('/') + 1) + ".so";
  }

  void train(const std::string& precision, const std::string& dataset) {
    const train::Chosen<OptimizerHandle> optimizer{OptimizerHandle(load_built(built("optimizer/adamw"), CORRAL_OPTIMIZER_ID)), ""};
    const PrecisionHandle in(load_built(built("precision/" + precision), CORRAL_PRECISION_ID));
    Graph graph = passes::recompute(passes::autodiff(small_model()), "full", 1);
    graph = optimizer.handle.transform(passes::step_sums(in.transform(passes::mark_activations(std::move(graph)), "")), "");
    runtime::Session session(load_device(CORRAL_DEVICE), {{"train", std::move(graph)}});
    session.allocate();
    runtime::initialize_parameters(session, 1);
    train::Step step(session, "train", 1);

    DatasetRequest request;
    request.paths = {(folder_ / "rows.jsonl").string()};
    request.split = "100,0,0";
    request.shuffle = true;
    request.seq_length = step.seq_length();
    request.end_of_text_id = -1;
    std::ofstream rows(request.paths[0]);
    for (int i = 0; i < 5; ++i) rows << "{\"input_ids\": [1, 2, " << i << ", 4, 5, 6]}\n";
    rows.close();
    const auto data = std::make_shared<const DatasetHandle>(DatasetHandle::open(load_built(dataset, CORRAL_DATASET_ID), request, nullptr));

    train::MetricsFile metrics((folder_ / "metrics.jsonl").string(), 0);
    train::LoopSettings settings;
    settings.train_iters = kTo + 1;
    settings.global_batch_size = kMicroBatch * kMicroBatches;
    settings.log_interval = 1;
    train::LoopHooks hooks;
    hooks.say = hooks.live = [this](std::string_view line) { said_ += line.size(); };
    hooks.save = [](uint64_t) {};
    hooks.track = [](uint64_t finished, const train::StepResult&, double, double) {
      if (finished == kFrom - 1)
        for (auto& number : allocations) number = 0;
      counting = finished + 1 >= kFrom && finished < kTo;
    };
    const auto fetch = [data](uint64_t first_row, train::Batch& batch) {
      data->fetch(0, first_row, static_cast<uint64_t>(batch.rows), batch.tokens.data(), batch.targets.data(), batch.positions.data(),
                  batch.first_key.data(), batch.weights.data());
    };
    train::Loop loop(step, step, fetch, {}, train::StepValueTable(optimizer, settings.train_iters), metrics, settings, std::move(hooks));
    EXPECT_EQ(loop.run(), train::Ending::kDone);
    EXPECT_GT(said_, 0u);
  }

  std::filesystem::path folder_;
  size_t said_ = 0;
};

TEST_P(Allocations, DoNotHappenFromTheThirdStepOn) {
  train(GetParam(), built("dataset/text"));
  for (int way = 0; way < kWays; ++way) EXPECT_EQ(allocations[way], 0u) << kNames[way];
}

INSTANTIATE_TEST_SUITE_P(Precisions, Allocations, testing::Values("fp32", "bf16"), [](const auto& info) { return info.param; });

class AllocationsOf : public Allocations {};
TEST_F(AllocationsOf, AWastefulPluginAreSeenHoweverItMakesThem) {
  train("fp32", CORRAL_WASTEFUL_DATASET);
  // The plugin allocates once in every way in each fetch, which runs in another thread; operator new also counts as malloc.
  for (int way = 0; way < kWays; ++way)
    EXPECT_GE(allocations[way], (kTo - kFrom) * kMicroBatches * (way == kMalloc ? 2 : 1)) << kNames[way];
}

}  // namespace
}  // namespace corral
