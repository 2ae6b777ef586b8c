#include "kernel/runtime/staging.h"

#include <algorithm>
#include <cstring>

#include "kernel/plan/arena.h"

namespace corral::runtime {
namespace {
using plan::aligned;
using plan::kAlignment;
}  // namespace

Staging::Staging(std::shared_ptr<const DeviceHandle> device, uint64_t largest)
    : device_(std::move(device)), synchronous_(device_->info().synchronous) {
  if (synchronous_) return;
  ring_ = device_->allocate(std::clamp(4 * aligned(largest), 4 * kAlignment, kRing), CORRAL_MEMORY_HOST);
  parts_.resize(kParts);
  for (Part& part : parts_) part.passed = device_->open_event();
}

void Staging::write(void* to, const void* from, uint64_t bytes, const DeviceStream& stream) {
  if (synchronous_) {
    std::memcpy(to, from, bytes);
    return;
  }
  for (uint64_t at = 0; at < bytes;) {
    const uint64_t n = std::min(bytes - at, ring_.size() / 4);
    const Part& part = next(n);
    std::memcpy(part.data, static_cast<const char*>(from) + at, n);
    device_->copy(static_cast<char*>(to) + at, part.data, n, stream);
    part.passed.record(stream);
    at += n;
  }
}

void Staging::read(void* to, const void* from, uint64_t bytes, const DeviceStream& stream) {
  if (synchronous_) {
    std::memcpy(to, from, bytes);
    return;
  }
  const Part* before = nullptr;
  char* target = static_cast<char*>(to);
  uint64_t size_before = 0;
  const auto take = [&] {
    before->passed.wait();
    std::memcpy(target, before->data, size_before);
    target += size_before;
  };
  // The device copies one part while the host reads the previous one.
  for (uint64_t at = 0; at < bytes;) {
    const uint64_t n = std::min(bytes - at, ring_.size() / 4);
    const Part& part = next(n);
    device_->copy(part.data, static_cast<const char*>(from) + at, n, stream);
    part.passed.record(stream);
    if (before) take();
    before = &part;
    size_before = n;
    at += n;
  }
  if (before) take();
}

Staging::Part& Staging::next(uint64_t bytes) {
  const uint64_t size = ring_.size();
  if (end_ % size + bytes > size) end_ += size - end_ % size;
  while (busy_ == kParts || (busy_ && parts_[oldest_].begin + size < end_ + bytes)) {
    parts_[oldest_].passed.wait();
    oldest_ = (oldest_ + 1) % kParts;
    --busy_;
  }
  Part& part = parts_[(oldest_ + busy_++) % kParts];
  part.begin = end_;
  part.data = ring_.data() + end_ % size;
  end_ += aligned(bytes);
  return part;
}

}  // namespace corral::runtime
