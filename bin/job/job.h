// Functions that all computing commands share: they open the device, the pipeline of graphs, the tokenizer and the data of a configuration.
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

// Configures a run for a checkpoint's model: sets its plugin and every key that no flag sets.
config::RunConfig configure_for(const Host& host, config::Sources sources, const ModelSource& source);
// The same for a command that does not train: without an adapter no method adds anything.
config::RunConfig configure_to_run(const Host& host, const config::Sources& sources, const ModelSource& source);

std::shared_ptr<const DeviceHandle> open_device(const Host& host, const config::RunConfig& config);

// Free memory of the device in bytes; the largest number if the device does not know.
uint64_t free_memory(const DeviceHandle& device);
// Allocates the session's arena. Refuses (3) an arena larger than the device's free memory; `remedy` names a way to need less.
void allocate(runtime::Session& session, const char* remedy);

// Makes the pipeline that prepares the graphs of a configuration, with its recomputation.
train::Pipeline make_pipeline(const Host& host, const config::RunConfig& config);
train::Chosen<OptimizerHandle> choose_optimizer(const Host& host, const config::RunConfig& config);

// Opens the tokenizer of tokenizer.path, else the folder's. Empty if there is none.
std::shared_ptr<const TokenizerHandle> open_tokenizer(const Host& host, const config::RunConfig& config, const std::string& folder);
// Opens the adapter's tokenizer, else the model's. Refuses one with more ids than the model has rows; says if it has fewer.
std::shared_ptr<const TokenizerHandle> open_tokenizer(const Host& host, const config::RunConfig& config, const ModelSource& source);

// Opens the data of data.paths and says its notices. `whole`: as one part in file order.
std::shared_ptr<const DatasetHandle> open_dataset(const Host& host, const config::RunConfig& config, const TokenizerHandle* tokenizer,
                                                  bool whole);
train::Fetch fetch_part(std::shared_ptr<const DatasetHandle> data, uint64_t part);

// A tensor in memory, to be written to a safetensors file.
struct NamedTensor {
  TensorInfo info;
  std::vector<char> bytes;
};
// Refuses the value of a flag if no such file could be written.
void check_tensor_file(const std::string& flag, const std::string& path);
void write_tensor_file(const Host& host, const std::string& path, const std::vector<NamedTensor>& tensors);

}  // namespace corral::job
