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

double checked(double value, double low, double high, bool whole, const std::string& said) {
  if (!(value >= low && value <= high) || (whole && value != std::floor(value)))
    fail("{}: needs a {}number from {} to {}", said, whole ? "whole " : "", low, high);
  return value;
}

generate::Sampling sampling(const Arguments& arguments, const ModelSource& source) {
  const json config = generation_config(source);
  const auto sample = config.find("do_sample");
  const bool asked = arguments.has("top-k") || arguments.has("top-p") || arguments.has("min-p");
  const bool samples = asked || (sample != config.end() && sample->is_boolean() && sample->get<bool>());
  generate::Sampling s;
  s.temperature = samples ? 1 : 0;
  s.seed = 1234;
  for (const SamplingFlag& f : kSampling) {
    const std::string name = f.flag.name;
    std::string key = name;
    std::replace(key.begin(), key.end(), '-', '_');
    const auto own = config.find(key);
    if (arguments.has(name))
      f.set(s, checked(arguments.number(name, 0), f.low, f.high, f.whole, format("--{} = {}", name, arguments.text(name))));
    else if (own != config.end() && own->is_number() && (samples || key == "repetition_penalty"))
      f.set(s, checked(own->get<double>(), f.low, f.high, f.whole, format("generation_config.json: {} = {}", key, own->dump())));
  }
  return s;
}

}  // namespace corral::cli
