// Tensors that come to the host while it does something else.
#pragma once

#include <vector>

#include "kernel/runtime/session.h"

namespace corral::runtime {

class Readback {
 public:
  Readback(Session& session, std::vector<TensorRef> tensors);

  // Queues the copies; the values of the last `start` are gone.
  void start();
  // Waits for the copies of the last `start`.
  void wait() const;
  // Bytes of the tensor number `i`, until the next start.
  const void* data(size_t i) const { return window_.data() + offsets_[i]; }
  // The first element of a tensor of F32 or F64.
  double number(size_t i) const;

 private:
  Session& session_;
  std::vector<TensorRef> tensors_;
  std::vector<uint64_t> offsets_;
  DeviceMemory window_;
  DeviceEvent passed_;
  bool started_ = false;
};

}  // namespace corral::runtime
