#include "bin/cli/end_tokens.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "corral/error.h"

namespace corral::cli {
namespace {
using nlohmann::json;

// The adapter's, where it has one: it was trained to end its answers.
json generation_config(const ModelSource& source) {
  const auto find = [](const std::vector<NamedFile>& files, const std::string& path) {
    for (const NamedFile& f : files)
      if (f.name == "generation_config.json") {
        json content = json::parse(f.content, nullptr, false);
        if (!content.is_object()) fail("{}/generation_config.json is no JSON object", path);
        return content;
      }
    return json();
  };
  json content = source.adapter ? find(source.adapter->info.files, source.adapter->path) : json();
  if (content.is_null()) content = find(source.info.files, source.path);
  return content.is_null() ? json::object() : content;
}

void add_ends(const json& config, std::set<int32_t>& ends) {
  const auto found = config.find("eos_token_id");
  if (found == config.end()) return;
  if (found->is_number_integer()) ends.insert(found->get<int32_t>());
  if (found->is_array())
    for (const json& id : *found)
      if (id.is_number_integer()) ends.insert(id.get<int32_t>());
}

double number(const json& config, const char* key, double otherwise) {
  const auto found = config.find(key);
  return found != config.end() && found->is_number() ? found->get<double>() : otherwise;
}

double checked(const char* flag, double value, double low, double high) {
  if (!(value >= low && value <= high)) fail("--{} = {}: needs a number from {} to {}", flag, value, low, high);
  return value;
}

}  // namespace

std::set<int32_t> end_tokens(const ModelSource& source, const TokenizerHandle* tokenizer) {
  std::set<int32_t> ends;
  add_ends(generation_config(source), ends);
  const auto add_config = [&](const std::string& content) {
    if (const json config = json::parse(content, nullptr, false); config.is_object()) add_ends(config, ends);
  };
  add_config(source.info.config);
  for (const DialectConfig& other : source.info.others) add_config(other.content);
  if (tokenizer)
    for (const int64_t id : tokenizer->info().eos_ids) ends.insert(static_cast<int32_t>(id));
  return ends;
}

generate::Sampling sampling(const Arguments& arguments, const ModelSource& source) {
  const json config = generation_config(source);
  const auto sample = config.find("do_sample");
  const bool asked = arguments.has("top-k") || arguments.has("top-p") || arguments.has("min-p");
  const bool samples = asked || (sample != config.end() && sample->is_boolean() && sample->get<bool>());
  const double most = 1e9;
  generate::Sampling s;
  s.temperature = checked("temperature", arguments.number("temperature", samples ? number(config, "temperature", 1) : 0), 0, most);
  s.top_k = arguments.integer("top-k", samples ? static_cast<int64_t>(number(config, "top_k", 0)) : 0);
  if (s.top_k < 0) fail("--top-k = {}: needs a number from 0 on; 0 takes all", s.top_k);
  s.top_p = checked("top-p", arguments.number("top-p", samples ? number(config, "top_p", 1) : 1), 0, 1);
  s.min_p = checked("min-p", arguments.number("min-p", samples ? number(config, "min_p", 0) : 0), 0, 1);
  s.repetition_penalty =
      checked("repetition-penalty", arguments.number("repetition-penalty", number(config, "repetition_penalty", 1)), 1e-9, most);
  s.seed = static_cast<uint64_t>(arguments.integer("seed", 1234));
  return s;
}

}  // namespace corral::cli
