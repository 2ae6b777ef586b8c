// Tensors of a session that the host reads later, without waiting for what is queued after them.
#pragma once

#include <vector>

#include "kernel/runtime/session.h"

namespace corral::runtime {

class Readback {
 public:
  // Reads these tensors of an allocated session. The session must outlive this object. Allocates everything here, nothing later.
  Readback(const Session& session, std::vector<TensorRef> tensors);
  // Waits for a queued copy, as it writes into memory that is freed here.
  ~Readback();
  Readback(const Readback&) = delete;
  Readback& operator=(const Readback&) = delete;

  // Queues a copy of the tensors after all work that is queued now. Overwrites the previous copy.
  void queue();
  // True once the copy is done.
  bool passed() const { return event_.passed(); }
  // Waits for the copy, but not for work that was queued after it.
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
