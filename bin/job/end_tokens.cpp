#include "bin/job/end_tokens.h"

#include <nlohmann/json.hpp>

#include "bin/job/generation_config.h"

namespace corral::job {
namespace {
using nlohmann::json;

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

}  // namespace corral::job
