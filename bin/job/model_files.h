// The files beside the weights in a model's folder.
#pragma once

#include <optional>
#include <vector>

#include "bin/job/host.h"
#include "kernel/config/run_config.h"
#include "kernel/plugin/tokenizer.h"
#include "kernel/train/pipeline.h"

namespace corral::job {

// The dialect of the weights that a run writes. Throws Error (2) for an unknown one.
std::string dialect_of(const config::RunConfig& config);

// The configuration that a checkpoint has in a dialect, or "".
std::string config_in(const CheckpointInfo& info, const std::string& dialect);

// The model's configuration in a dialect; `origin`'s own bytes if they describe the same model.
DialectConfig model_config(const std::string& dialect, const train::Chosen<ModelHandle>& model, const std::optional<CheckpointInfo>& origin,
                           const std::string& dtype = "");

// Describes a checkpoint for writing, in the configured format: the model's configuration, generation_config.json and the tokenizer's
// files. The files of `origin` are kept unchanged unless the tokenizer brings its own. `data` sets the chat template and the stop tokens.
CheckpointWriteRequest model_request(const config::RunConfig& config, const train::Pipeline& pipeline, DType dtype,
                                     const std::optional<CheckpointInfo>& origin, const TokenizerHandle* tokenizer,
                                     const DatasetInfo& data = {});

// Files written beside an adapter: the tokenizer's files, and `fingerprint` of the model that the adapter is for.
std::vector<NamedFile> adapter_files(const std::string& fingerprint, const std::optional<CheckpointInfo>& origin,
                                     const TokenizerHandle* tokenizer, const DatasetInfo& data);

// Refuses a tokenizer with more ids than the model has rows; says if it has fewer.
void check_vocabulary(const Host& host, const config::RunConfig& config, const TokenizerHandle* tokenizer, bool has_weights = true);

// Sets model.vocab_size to the tokenizer's number of ids unless a flag sets it.
void settle_vocabulary(const Host& host, config::RunConfig& config, const TokenizerHandle* tokenizer, bool has_weights);

}  // namespace corral::job
