// Copies a model's checkpoint from one format into another, with weights and files unchanged.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bin/job/host.h"
#include "bin/job/model_source.h"

namespace corral::convert {

// The constructor checks the model's tensors against its configuration; `write` may be called repeatedly.
class ModelTransfer {
 public:
  // `format` is the plugin that writes. `max_shard_bytes` 0: the format chooses.
  ModelTransfer(const job::Host& host, const job::ModelSource& source, const std::string& format, uint64_t max_shard_bytes);

  // Approximate size on disk.
  uint64_t bytes() const { return request_.sparse ? space_ : bytes_; }
  // Writes into an empty folder.
  void write(const std::string& folder) const;
  // "a model with its configuration and 5 other files"
  std::string summary() const;

 private:
  const job::ModelSource& source_;
  CheckpointFormat format_;
  ModelHandle model_;
  WeightMap from_, to_;
  CheckpointWriteRequest request_;
  uint64_t bytes_ = 0, space_ = 0;
};

// Writes the source's adapter into an empty folder. In its own format it is unchanged but for training state, which is left out. `sources`
// set the method's keys. `target_modules`, if any, rename the modules; linear_qkv needs parts with one matrix in common.
void copy_adapter(const job::Host& host, const config::Sources& sources, const job::ModelSource& source, const std::string& format,
                  const std::string& folder, const std::vector<std::string>& target_modules = {});

}  // namespace corral::convert
