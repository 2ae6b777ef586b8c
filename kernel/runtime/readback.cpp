#include "kernel/runtime/readback.h"

#include <cstring>

#include "corral/error.h"

namespace corral::runtime {

Readback::Readback(const Session& session, std::vector<TensorRef> tensors) : session_(session), tensors_(std::move(tensors)) {
  uint64_t bytes = 0;
  for (const TensorRef& t : tensors_) {
    if (!t.address) fail_bug("readback: a tensor without memory");
    offsets_.push_back(bytes);
    bytes += plan::aligned(t.bytes());
  }
  window_ = session.device().allocate(bytes, CORRAL_MEMORY_HOST);
  event_ = session.device().open_event();
}

Readback::~Readback() {
  if (!pending_) return;
  try {
    await();
  } catch (const std::exception&) {
    // A device that failed has nothing to wait for.
  }
}

void Readback::queue() {
  pending_ = true;
  for (size_t i = 0; i < tensors_.size(); ++i)
    session_.device().copy(window_.data() + offsets_[i], tensors_[i].address, tensors_[i].bytes(), session_.stream());
  event_.record(session_.stream());
}

void Readback::await() {
  event_.wait();
  pending_ = false;
}

double Readback::operator[](size_t tensor) const {
  const DType dtype = tensors_[tensor].dtype;
  if (dtype == DType::F64) {
    double value;
    std::memcpy(&value, data(tensor), sizeof value);
    return value;
  }
  if (dtype != DType::F32) fail_bug("readback: a number of type number {}", static_cast<int>(dtype));
  float value;
  std::memcpy(&value, data(tensor), sizeof value);
  return static_cast<double>(value);
}

}  // namespace corral::runtime
