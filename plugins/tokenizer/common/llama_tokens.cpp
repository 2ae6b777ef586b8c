#include "plugins/tokenizer/common/llama_tokens.h"

#include "corral/error.h"

namespace corral::tokenizer {
namespace {
struct Named {
  size_t place;
  const char* name;
  bool since_31;
};
constexpr Named kNamed[] = {
    {0, "<|begin_of_text|>", false},   {1, "<|end_of_text|>", false},   {4, "<|finetune_right_pad_id|>", true},
    {6, "<|start_header_id|>", false}, {7, "<|end_header_id|>", false}, {8, "<|eom_id|>", true},
    {9, "<|eot_id|>", false},          {10, "<|python_tag|>", true},
};
}  // namespace

std::vector<std::string> llama_special_tokens(std::string_view version, size_t count) {
  if (version != "3" && version != "3.1") fail("tokenizer.special_tokens = \"{}\": expected 3 or 3.1", version);
  std::vector<std::string> names(count);
  for (const Named& named : kNamed)
    if (named.place < count && (version == "3.1" || !named.since_31)) names[named.place] = named.name;
  size_t reserved = 0;
  for (std::string& name : names)
    if (name.empty()) name = "<|reserved_special_token_" + std::to_string(reserved++) + "|>";
  return names;
}

}  // namespace corral::tokenizer
