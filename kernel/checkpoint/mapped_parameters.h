// The parameters of a model as a source that reads a checkpoint's tensors through its weight map on demand. A checkpoint can so be
// rewritten in another dialect in constant memory.
#pragma once

#include "kernel/checkpoint/strided.h"
#include "kernel/checkpoint/tensor_io.h"

namespace corral::checkpoint {

class MappedParameters final : public TensorSource {
 public:
  // `parameters` have the types of their external tensors (stored_types). The map and the externals were checked before, and outlive this
  // object.
  MappedParameters(const WeightMap& map, TensorSource& externals, std::vector<TensorInfo> parameters);
  const std::vector<TensorInfo>& tensors() const override { return parameters_; }
  void read(size_t tensor, uint64_t offset, void* to, uint64_t size) override;
  bool concurrent() const override { return externals_.concurrent(); }

 private:
  struct Part {
    const WeightEntry* entry;
    size_t external;
  };
  void read_part(const Part& part, int64_t first, int64_t last, char* to, uint64_t element_bytes);

  TensorSource& externals_;
  std::vector<TensorInfo> parameters_;
  std::vector<std::vector<Part>> parts_;  // of each parameter
};

}  // namespace corral::checkpoint
