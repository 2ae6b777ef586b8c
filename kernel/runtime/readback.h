// Tensors of a session that the host reads later, without waiting for what is queued after them.
#pragma once

#include <vector>

#include "kernel/runtime/session.h"

namespace corral::runtime {

class Readback {
 public:
  // For these tensors of an allocated session, which must outlive it. Allocates all that it needs.
  Readback(const Session& session, std::vector<TensorRef> tensors);
  // Waits for a copy that is queued: it writes into memory that is freed here.
  ~Readback();
  Readback(const Readback&) = delete;
  Readback& operator=(const Readback&) = delete;

  // Queues a copy of the tensors as they are behind all that is queued now; the copy before is overwritten.
  void queue();
  // True where the device has made the copy.
  bool passed() const { return event_.passed(); }
  // Waits for the copy, and not for what is queued behind it.
  void await();
  // Bytes of the copy of tensor number `tensor`.
  const void* data(size_t tensor) const { return window_.data() + offsets_[tensor]; }
  // The first element of the copy of tensor number `tensor`, F32 or F64.
  double operator[](size_t tensor) const;

 private:
  const Session& session_;
  std::vector<TensorRef> tensors_;
  std::vector<uint64_t> offsets_;  // in the window, by tensor
  DeviceMemory window_;
  DeviceEvent event_;
  bool pending_ = false;
};

}  // namespace corral::runtime
