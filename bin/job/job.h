// What the commands that compute have in common: the device, the graphs' pipeline, tokenizer and data of a configuration.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bin/job/host.h"
#include "bin/job/model_source.h"
#include "kernel/config/run_config.h"
#include "kernel/plugin/dataset.h"
#include "kernel/plugin/tokenizer.h"
#include "kernel/runtime/session.h"
#include "kernel/train/batch.h"
#include "kernel/train/pipeline.h"

namespace corral::job {

// The configuration for a model from a checkpoint: its plugin and every key that no flag sets.
config::RunConfig configure_for(const Host& host, config::Sources sources, const ModelSource& source);
// The same for what does not train: without an adapter no method adds anything.
config::RunConfig configure_to_run(const Host& host, const config::Sources& sources, const ModelSource& source);

std::shared_ptr<const DeviceHandle> open_device(const Host& host, const config::RunConfig& config);

// What the device has free; without bound where it does not know.
uint64_t free_memory(const DeviceHandle& device);
// The arena of the session. Refuses (3) one that is larger than what the device has free; `remedy` says what takes less.
void allocate(runtime::Session& session, const char* remedy);

// The graphs of a configuration, with its recomputation.
train::Pipeline make_pipeline(const Host& host, const config::RunConfig& config);
train::Chosen<OptimizerHandle> choose_optimizer(const Host& host, const config::RunConfig& config);

// The tokenizer of tokenizer.path, else of the folder, where it has one. Empty where there is none.
std::shared_ptr<const TokenizerHandle> open_tokenizer(const Host& host, const config::RunConfig& config, const std::string& folder);
// The adapter's own, else the model's; refuses one with more ids than the model has rows, fewer are said.
std::shared_ptr<const TokenizerHandle> open_tokenizer(const Host& host, const config::RunConfig& config, const ModelSource& source);

// The data of data.paths; its notices are said. `whole`: one part in file order.
std::shared_ptr<const DatasetHandle> open_dataset(const Host& host, const config::RunConfig& config, const TokenizerHandle* tokenizer,
                                                  bool whole);
train::Fetch fetch_part(std::shared_ptr<const DatasetHandle> data, uint64_t part);

// Tensors in memory as one safetensors file.
struct NamedTensor {
  TensorInfo info;
  std::vector<char> bytes;
};
// Refuses the value of a flag where no such file could be written.
void check_tensor_file(const std::string& flag, const std::string& path);
void write_tensor_file(const Host& host, const std::string& path, const std::vector<NamedTensor>& tensors);

}  // namespace corral::job
