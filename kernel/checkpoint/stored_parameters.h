// The parameters of a checkpoint, bit for bit as stored, under their own names: the same for a model in any format.
#pragma once

#include <vector>

#include "kernel/checkpoint/format_io.h"
#include "kernel/checkpoint/mapped_parameters.h"
#include "kernel/checkpoint/weight_map.h"

namespace corral::checkpoint {

class StoredParameters {
 public:
  // `parameters` may contain more than the map names. Throws Error (2) if the checkpoint's tensors do not match the map.
  StoredParameters(const CheckpointReaderHandle& reader, WeightMap map, std::vector<TensorInfo> parameters)
      : map_(std::move(map)), externals_(reader), parameters_(map_, externals_, checked(std::move(parameters))) {}
  StoredParameters(const StoredParameters&) = delete;
  TensorSource& tensors() { return parameters_; }

 private:
  std::vector<TensorInfo> checked(std::vector<TensorInfo> own) {
    const auto names = parameters_in(map_);
    std::erase_if(own, [&](const TensorInfo& t) { return !names.contains(t.name); });
    check_weight_map(map_, own);
    check_externals(map_, externals_.tensors());
    check_copies(map_, externals_);
    return stored_types(map_, externals_.tensors(), std::move(own));
  }
  WeightMap map_;
  FormatSource externals_;
  MappedParameters parameters_;
};

}  // namespace corral::checkpoint
