#include "bin/job/model_files.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "bin/job/chat_template.h"
#include "corral/abi.h"
#include "corral/error.h"
#include "kernel/checkpoint/fingerprint.h"

namespace corral::job {
namespace {

// The dialect that most programs read; its configuration is written beside every other.
constexpr char kExchange[] = "hf";
}  // namespace

std::string dialect_of(const config::RunConfig& config) {
  constexpr const char* kDialects[] = CORRAL_DIALECTS;
  const auto is_known = [&](const std::string& name) {
    return std::find(std::begin(kDialects), std::end(kDialects), name) != std::end(kDialects);
  };
  const std::string& wanted = config.text("checkpoint.dialect");
  if (!wanted.empty() && !is_known(wanted)) {
    std::string all;
    for (const char* name : kDialects) all += (all.empty() ? "" : " or ") + std::string(name);
    fail("checkpoint.dialect = \"{}\": expected {}{}", wanted, all, config.set_by("checkpoint.dialect"));
  }
  const std::string& format = config.text("checkpoint.format");
  return !wanted.empty() ? wanted : is_known(format) ? format : kExchange;
}

std::string config_in(const CheckpointInfo& info, const std::string& dialect) {
  if (info.dialect == dialect) return info.config;
  for (const DialectConfig& other : info.others)
    if (other.dialect == dialect) return other.content;
  return "";
}

DialectConfig model_config(const std::string& dialect, const train::Chosen<ModelHandle>& model, const std::optional<CheckpointInfo>& origin,
                           const std::string& dtype) {
  ConfigRequest request;
  request.dialect = dialect;
  request.options = model.options;
  request.dtype = dtype;
  if (origin) request.original = config_in(*origin, dialect);
  DialectConfig config;
  config.dialect = dialect;
  config.content = model.handle.write_config(request);
  return config;
}

CheckpointWriteRequest model_request(const config::RunConfig& config, const train::Pipeline& pipeline, DType dtype,
                                     const std::optional<CheckpointInfo>& origin, const TokenizerHandle* tokenizer,
                                     const DatasetInfo& data) {
  CheckpointWriteRequest result;
  result.kind = "model";
  const auto add = [&](const std::string& name, std::string content) {
    std::erase_if(result.files, [&](const NamedFile& f) { return f.name == name; });
    NamedFile f;
    f.name = name;
    f.content = std::move(content);
    result.files.push_back(std::move(f));
  };
  ConfigRequest request;
  request.options = pipeline.model().options;
  request.dtype = dtype == DType::BF16 ? "bfloat16" : "float32";
  if (origin)
    for (const NamedFile& f : origin->files) add(f.name, f.content);
  if (tokenizer) {
    const TokenizerInfo info = tokenizer->info();
    request.bos_token_ids = info.bos_ids;
    request.eos_token_ids = info.eos_ids;
    nlohmann::ordered_json generation;
    if (!info.bos_ids.empty()) generation["bos_token_id"] = info.bos_ids[0];
    if (!info.eos_ids.empty()) generation["eos_token_id"] = info.eos_ids;
    if (!origin && !generation.is_null()) add("generation_config.json", generation.dump(2) + "\n");
    for (const NamedFile& f : tokenizer->files().files) add(f.name, f.content);
  }
  if (!data.chat_template.empty()) set_chat_template(result.files, data.chat_template);
  add_stop_ids(result.files, data.stop_ids);
  const auto written = [&](const std::string& dialect) {
    request.dialect = dialect;
    request.original = origin ? config_in(*origin, dialect) : "";
    return pipeline.model().handle.write_config(request);
  };
  const std::string dialect = dialect_of(config);
  result.dialect = dialect;
  result.config = written(dialect);
  if (dialect != kExchange) {
    result.others.emplace_back();
    result.others.back().dialect = kExchange;
    result.others.back().content = written(kExchange);
  }
  return result;
}

std::vector<NamedFile> adapter_files(const std::string& fingerprint, const std::optional<CheckpointInfo>& origin,
                                     const TokenizerHandle* tokenizer, const DatasetInfo& data) {
  std::vector<NamedFile> files;
  if (tokenizer) files = tokenizer->files().files;
  if (!data.stop_ids.empty() && origin)
    for (const NamedFile& f : origin->files)
      if (f.name == "generation_config.json") files.push_back(f);
  if (!data.chat_template.empty()) set_chat_template(files, data.chat_template);
  add_stop_ids(files, data.stop_ids);
  NamedFile& f = files.emplace_back();
  f.name = checkpoint::kFingerprintName;
  f.content = fingerprint;
  return files;
}

void check_vocabulary(const Host& host, const config::RunConfig& config, const TokenizerHandle* tokenizer, bool has_weights) {
  if (!tokenizer) return;
  const auto ids = static_cast<int64_t>(tokenizer->info().num_ids);
  const int64_t rows = config.integer("model.vocab_size");
  if (ids > rows)
    fail("model.vocab_size = {}, but the tokenizer has {} ids: {}{}", rows, ids,
         has_weights ? "use the model's own tokenizer" : format("leave model.vocab_size out, or set it to {} or more", ids),
         config.set_by("model.vocab_size"));
  if (ids < rows) host.say(format("the tokenizer has {} ids, the model's vocabulary {}: the rest stays unused", ids, rows));
}

void settle_vocabulary(const Host& host, config::RunConfig& config, const TokenizerHandle* tokenizer, bool has_weights) {
  if (!tokenizer) return;
  if (!has_weights && !config.find("model.vocab_size")->from.starts_with("--"))
    config.set("model.vocab_size", static_cast<int64_t>(tokenizer->info().num_ids), "tokenizer");
  else
    check_vocabulary(host, config, tokenizer, has_weights);
}

}  // namespace corral::job
