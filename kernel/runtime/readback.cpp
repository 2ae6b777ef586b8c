#include "kernel/runtime/readback.h"

#include <cstring>

#include "corral/error.h"

namespace corral::runtime {

Readback::Readback(Session& session, std::vector<TensorRef> tensors) : session_(session), tensors_(std::move(tensors)) {
  uint64_t bytes = 0;
  for (const TensorRef& t : tensors_) {
    if (!t.address) fail_bug("readback: a tensor without memory");
    offsets_.push_back(bytes);
    bytes += (t.bytes() + passes::kAlignment - 1) / passes::kAlignment * passes::kAlignment;
  }
  window_ = session.device().allocate(bytes, CORRAL_MEMORY_HOST);
  passed_ = session.device().open_event();
}

void Readback::start() {
  for (size_t i = 0; i < tensors_.size(); ++i)
    session_.device().copy(window_.data() + offsets_[i], tensors_[i].address, tensors_[i].bytes(), session_.stream());
  passed_.record(session_.stream());
  started_ = true;
}

void Readback::wait() const {
  if (!started_) fail_bug("readback: waited for before it was started");
  passed_.wait();
}

double Readback::number(size_t i) const {
  const TensorRef& t = tensors_[i];
  if (t.dtype == DType::F64) {
    double value;
    std::memcpy(&value, data(i), sizeof value);
    return value;
  }
  if (t.dtype != DType::F32) fail_bug("readback: a number of type number {}", static_cast<int>(t.dtype));
  float value;
  std::memcpy(&value, data(i), sizeof value);
  return static_cast<double>(value);
}

}  // namespace corral::runtime
