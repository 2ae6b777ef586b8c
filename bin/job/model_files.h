// The files of a model's folder beside its weights.
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

// The configuration that a checkpoint keeps in a dialect, or "".
std::string config_in(const CheckpointInfo& info, const std::string& dialect);

// The configuration of a model in a dialect: that of `origin`, where it says the same.
DialectConfig model_config(const std::string& dialect, const train::Chosen<ModelHandle>& model, const std::optional<CheckpointInfo>& origin,
                           const std::string& dtype = "");

// What goes with a model's weights in the format of the configuration: the model's configuration, generation_config.json and the
// tokenizer's files. What `origin` has stays as it is, except what the tokenizer brings, and what `data` says of the chats that the model
// was trained on: their template and what ends an answer.
CheckpointWriteRequest model_request(const config::RunConfig& config, const train::Pipeline& pipeline, DType dtype,
                                     const std::optional<CheckpointInfo>& origin, const TokenizerHandle* tokenizer,
                                     const DatasetInfo& data = {});

// What goes along with an adapter: the tokenizer's files, and `fingerprint` of the model that it is for.
std::vector<NamedFile> adapter_files(const std::string& fingerprint, const std::optional<CheckpointInfo>& origin,
                                     const TokenizerHandle* tokenizer, const DatasetInfo& data);

// Refuses a tokenizer with more ids than the model has rows; fewer are said.
void check_vocabulary(const Host& host, const config::RunConfig& config, const TokenizerHandle* tokenizer, bool has_weights = true);

// model.vocab_size is the tokenizer's number of ids unless a flag sets it.
void settle_vocabulary(const Host& host, config::RunConfig& config, const TokenizerHandle* tokenizer, bool has_weights);

}  // namespace corral::job
