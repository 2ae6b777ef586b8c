#include "plugins/tokenizer/common/tokenizer_files.h"

#include <nlohmann/json.hpp>

#include "plugins/tokenizer/common/byte_letters.h"

namespace corral::tokenizer {
namespace {
using nlohmann::ordered_json;

// The begin token, then each message between its header and end of turn; with add_generation_prompt, the header of the assistant's turn.
constexpr char kChatTemplate[] =
    R"({{- bos_token -}}
{%- for message in messages -%}
  {{- '<|start_header_id|>' ~ message['role'] ~ '<|end_header_id|>\n\n' -}}
  {{- message['content'] | trim -}}
  {{- '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
{%- endif -%}
)";

ordered_json flags_of(const AddedToken& t) {
  return {{"content", t.content}, {"single_word", false},       {"lstrip", false},
          {"rstrip", false},      {"normalized", t.normalized}, {"special", t.special}};
}

ordered_json added_tokens(const Definition& d) {
  ordered_json list = ordered_json::array();
  for (const AddedToken& t : d.added) {
    ordered_json token{{"id", t.id}};
    token.update(flags_of(t));
    list.push_back(token);
  }
  return list;
}

ordered_json pre_tokenizer(const Definition& d) {
  const ordered_json split{{"type", "Split"}, {"pattern", {{"Regex", d.pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
  const ordered_json bytes{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  return {{"type", "Sequence"}, {"pretokenizers", ordered_json::array({split, bytes})}};
}

ordered_json post_processor(const Definition& d) {
  ordered_json single = ordered_json::array(), pair = ordered_json::array(), tokens = ordered_json::object();
  for (int sequence = 0; sequence < 2; ++sequence) {
    const auto put = [&](const ordered_json& piece) {
      if (sequence == 0) single.push_back(piece);
      pair.push_back(piece);
    };
    const auto put_all = [&](const std::vector<int32_t>& ids) {
      for (const int32_t id : ids) {
        const std::string& name = d.tokens[static_cast<size_t>(id)];
        put({{"SpecialToken", {{"id", name}, {"type_id", sequence}}}});
        tokens[name] = {{"id", name}, {"ids", {id}}, {"tokens", {name}}};
      }
    };
    put_all(d.prefix);
    put({{"Sequence", {{"id", sequence == 0 ? "A" : "B"}, {"type_id", sequence}}}});
    put_all(d.suffix);
  }
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", tokens}};
}

// One line per token and merge, written directly: a JSON tree would search a vocabulary of 128,000 for every key.
std::string model(const Definition& d) {
  std::string text = R"({
  "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
  "byte_fallback": false, "ignore_merges": )";
  text += d.ignore_merges ? "true" : "false";
  const auto quoted = [&](int32_t id) { return ordered_json(letters_of(d.tokens[static_cast<size_t>(id)])).dump(); };
  text += ",\n  \"vocab\": {";
  const char* comma = "\n";
  for (size_t id = 0; id < d.tokens.size(); ++id) {
    if (!d.mergeable[id]) continue;
    text += comma + quoted(static_cast<int32_t>(id)) + ": " + std::to_string(id);
    comma = ",\n";
  }
  text += "},\n  \"merges\": [";
  comma = "\n";
  for (const Merge& m : d.merges) {
    text += comma;
    text += "[" + quoted(m.left) + ", " + quoted(m.right) + "]";
    comma = ",\n";
  }
  return text + "]}";
}

std::string tokenizer_json(const Definition& d) {
  std::string text = "{\n\"version\": \"1.0\",\n\"truncation\": null,\n\"padding\": null";
  const auto add = [&](const char* key, const std::string& value) { text += std::string(",\n\"") + key + "\": " + value; };
  add("added_tokens", added_tokens(d).dump());
  add("normalizer", "null");
  add("pre_tokenizer", pre_tokenizer(d).dump());
  add("post_processor", post_processor(d).dump());
  add("decoder", R"({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true})");
  add("model", model(d));
  return text + "}\n";
}

std::string tokenizer_config(const Definition& d, const ordered_json& ends) {
  ordered_json config = ends;
  config["chat_template"] = kChatTemplate;
  config["clean_up_tokenization_spaces"] = false;
  config["model_input_names"] = {"input_ids", "attention_mask"};
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  for (const AddedToken& t : d.added) config["added_tokens_decoder"][std::to_string(t.id)] = flags_of(t);
  return config.dump(1) + "\n";
}

}  // namespace

std::vector<WrittenFile> make_tokenizer_files(const Definition& definition, const std::string& eos) {
  ordered_json ends;
  if (!definition.prefix.empty()) ends["bos_token"] = definition.tokens[static_cast<size_t>(definition.prefix[0])];
  ends["eos_token"] = eos;
  return {{"tokenizer.json", tokenizer_json(definition)},
          {"tokenizer_config.json", tokenizer_config(definition, ends)},
          {"special_tokens_map.json", ends.dump(1) + "\n"}};
}

}  // namespace corral::tokenizer
