// A model's parameters with what was trained beside them merged in.
#pragma once

#include <memory>

#include "corral/graph.h"
#include "kernel/checkpoint/tensor_io.h"
#include "kernel/plugin/device.h"

namespace corral::train {

// Computed on a device in float32 when they are read, one at a time: no more than one is in memory.
class MergedParameters final : public checkpoint::TensorSource {
 public:
  // `merging`: each output is a merged parameter of its name (Pipeline::merging). `own`: the model's parameters; `added`: those that were
  // trained, which stand for the model's where both have one and no output does. Sources hold F32, BF16 or F16. `dtype` is what the merged
  // ones have, DTYPE_NONE: their own.
  MergedParameters(std::shared_ptr<const DeviceHandle> device, Graph merging, checkpoint::TensorSource& own,
                   checkpoint::TensorSource& added, DType dtype);

  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  void read(size_t tensor, uint64_t offset, void* to, uint64_t size) override;

 private:
  std::vector<float> values(size_t tensor);
  std::vector<float> computed(TensorId output);
  static std::vector<float> read_floats(checkpoint::TensorSource& from, size_t tensor);

  std::shared_ptr<const DeviceHandle> device_;
  const Graph merging_;
  checkpoint::TensorSource &own_, &added_;
  std::vector<TensorInfo> infos_;
  size_t current_ = SIZE_MAX;
  std::vector<char> bytes_;  // of the current one
};

}  // namespace corral::train
