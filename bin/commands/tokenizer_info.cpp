// `corral tokenizer info`: describes a tokenizer.
#include <cstdio>

#include "bin/terminal/json.h"
#include "bin/terminal/tokenizer_flag.h"

namespace corral::cli {
namespace {

constexpr Flag kFlags[] = {
    kTokenizerFlag,
    {"json", Flag::kNothing, "", "one object", ""},
    kTokenizerOptions,
};

int run(const Arguments& arguments) {
  const auto tokenizer = tokenizer_of(arguments);
  const TokenizerInfo info = tokenizer->info();
  nlohmann::ordered_json special = nlohmann::ordered_json::object();
  for (size_t i = 0; i < info.special_tokens.size() && i < info.special_ids.size(); ++i)
    special[info.special_tokens[i]] = info.special_ids[i];
  nlohmann::ordered_json all{{"plugin", tokenizer->plugin().label()},
                             {"description", info.description},
                             {"num_ids", info.num_ids},
                             {"bos_ids", info.bos_ids},
                             {"eos_ids", info.eos_ids},
                             {"end_of_text_id", info.end_of_text_id}};
  if (arguments.has("json")) {
    all["special_tokens"] = special;
    print_json(all);
    return 0;
  }
  for (const auto& [key, value] : all.items())
    std::printf("%-15s %s\n", key.c_str(), value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
  std::printf("special tokens\n");
  for (const auto& [name, id] : special.items()) std::printf("  %7lld  %s\n", static_cast<long long>(id.get<int64_t>()), name.c_str());
  return 0;
}

}  // namespace

extern const Command command_tokenizer_info{"tokenizer info", "describe a tokenizer: kind, size, special tokens", "", kFlags, {}, run};

}  // namespace corral::cli
