// A model's checkpoint from one format into another, weights and files as they are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bin/job/model_source.h"
#include "bin/terminal/command.h"

namespace corral::cli {

// Checks the tensors of a model against its configuration when it is made; writes as often as asked.
class ModelTransfer {
 public:
  // `format` is the plugin that writes. `max_shard_bytes` 0: as that format sees fit.
  ModelTransfer(const Arguments& arguments, const ModelSource& source, const std::string& format, uint64_t max_shard_bytes);

  // That it will take on the disk, about.
  uint64_t bytes() const { return request_.sparse ? space_ : bytes_; }
  // Into an empty folder.
  void write(const std::string& folder) const;
  // "a model with its configuration and 5 other files"
  std::string summary() const;

 private:
  const ModelSource& source_;
  CheckpointFormat format_;
  ModelHandle model_;
  WeightMap from_, to_;
  CheckpointWriteRequest request_;
  uint64_t bytes_ = 0, space_ = 0;
};

// The source's adapter into an empty folder; in its own format as it is, without a training state. `target_modules`, where there are any,
// name the modules anew: linear_qkv, where its parts have one matrix in common.
void copy_adapter(const Arguments& arguments, const ModelSource& source, const std::string& format, const std::string& folder,
                  const std::vector<std::string>& target_modules = {});

// "5GB", "200MB", "1000": bytes, as the flag states them. Throws Error (2) naming the flag.
uint64_t size_of_text(const std::string& flag, const std::string& text);

}  // namespace corral::cli
