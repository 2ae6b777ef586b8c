// A model's parameters with an adapter's trained parameters merged in.
#pragma once

#include <memory>

#include "corral/graph.h"
#include "kernel/checkpoint/tensor_io.h"
#include "kernel/plugin/device.h"

namespace corral::train {

// Computes merged parameters on a device in float32 when they are read. At most one is in memory.
class MergedParameters final : public checkpoint::TensorSource {
 public:
  // `merging`: each output is a merged parameter of its name (Pipeline::merging). `own`: the model's parameters. `added`: trained
  // parameters; they replace the model's of the same name unless `merging` computes that one. Sources contain F32, BF16 or F16. `dtype`:
  // the type of the merged parameters; with DTYPE_NONE they keep their own.
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
