// A step allocates nothing: every way to memory is interposed, in all threads, the device plugin's included.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>

#include "kernel/passes/autodiff.h"
#include "kernel/runtime/session.h"
#include "kernel/train/step.h"
#include "tests/conformance/load_device.h"
#include "tests/unit/passes_small_model.h"

namespace {
std::atomic<bool> counting{false};
std::atomic<uint64_t> allocations{0};
void count() {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
}
}  // namespace

// operator new of libstdc++ goes through malloc and aligned_alloc.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t n, size_t size);
void* __libc_realloc(void* p, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void* malloc(size_t size) {
  count();
  return __libc_malloc(size);
}
void* calloc(size_t n, size_t size) {
  count();
  return __libc_calloc(n, size);
}
void* realloc(void* p, size_t size) {
  count();
  return __libc_realloc(p, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** p, size_t alignment, size_t size) {
  count();
  *p = __libc_memalign(alignment, size);
  return *p ? 0 : ENOMEM;
}
void* mmap(void* address, size_t size, int protection, int flags, int file, off_t offset) {
  count();
  static const auto real = reinterpret_cast<decltype(&mmap)>(dlsym(RTLD_NEXT, "mmap"));
  return real(address, size, protection, flags, file, offset);
}
}

namespace corral {
namespace {

class Allocations : public testing::Test {
 protected:
  Allocations() : device_(load_device(CORRAL_DEVICE)), session_(device_, {passes::autodiff(small_model())}) { session_.allocate(); }

  template <class Work>
  static uint64_t counted(const Work& work) {
    allocations = 0;
    counting = true;
    work();
    counting = false;
    return allocations;
  }

  std::shared_ptr<const DeviceHandle> device_;
  runtime::Session session_;
};

TEST_F(Allocations, AStepMakesNoneFromTheThirdOn) {
  train::Step step(session_, 0, 1);
  train::Batch batch(step.rows(), step.seq_length());
  const auto run = [&] {
    train::StepResult result;
    for (int64_t i = 0; i < 3; ++i) step.forward_backward(batch, 0, i, 3, 0, result);
    step.forward(batch, result);
  };
  run();
  run();
  EXPECT_EQ(counted([&] {
              for (int n = 3; n <= 12; ++n) run();
            }),
            0u);
}

TEST_F(Allocations, OfAPluginAreSeen) {
  // Preparing a kernel allocates inside the plugin.
  const Graph& g = session_.graph(0);
  EXPECT_GT(counted([&] { const runtime::Session again(device_, {g}); }), 0u);
  // And so does a plugin that answers a question, whose reply the host keeps in a string.
  EXPECT_GT(counted([&] { device_->info(); }), 0u);
}

}  // namespace
}  // namespace corral
