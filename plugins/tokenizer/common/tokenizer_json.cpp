#include "plugins/tokenizer/common/tokenizer_json.h"

#include <unordered_map>
#include <unordered_set>

#include "corral/error.h"
#include "plugins/tokenizer/common/bpe.h"
#include "plugins/tokenizer/common/byte_letters.h"
#include "plugins/tokenizer/common/json_events.h"
#include "plugins/tokenizer/common/llama_split.h"
#include "plugins/tokenizer/common/pattern.h"

namespace corral::tokenizer {
namespace {
using nlohmann::json;

// GPT-2's pattern, built into the ByteLevel pre-tokenizer.
constexpr char kByteLevelPattern[] = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() > 80 ? text.substr(0, 77) + "..." : text;
}

class Reader {
 public:
  Reader(TokenizerJson parts, const std::string& file) : parts_(std::move(parts)), file_(file), table_(definition_.tokens) {}

  Definition read() {
    read_normalizer();
    read_pattern();
    read_model();
    read_vocab();
    read_merges();
    read_added();
    read_decoder();
    read_template();
    return std::move(definition_);
  }

 private:
  template <class... Values>
  [[noreturn]] void refuse(const std::string& key, std::string_view text, const Values&... values) const {
    fail("{}: {}", file_, key + format(text, values...));
  }
  [[noreturn]] void unknown(const std::string& key, const json& found, const char* known) const {
    refuse(key, " is {}, expected {}", shown(found), known);
  }

  static const json& at(const json& object, const char* key) {
    static const json none;
    if (!object.is_object()) return none;
    const auto found = object.find(key);
    return found == object.end() ? none : *found;
  }
  const json& at(const char* key) const { return at(parts_.rest, key); }
  static std::string type_of(const json& object) {
    const json& type = at(object, "type");
    return type.is_string() ? type.get<std::string>() : "";
  }

  // The key must be missing or have the value `wanted`.
  void require(const json& object, const std::string& where, const char* key, const json& wanted) const {
    const json& found = at(object, key);
    if (!found.is_null() && found != wanted) unknown(where + "." + key, found, shown(wanted).c_str());
  }

  void read_normalizer() const {
    const json& normalizer = at("normalizer");
    if (normalizer.is_null()) return;
    if (type_of(normalizer) == "Sequence" && at(normalizer, "normalizers") == json::array()) return;
    unknown("normalizer", normalizer, "null");
  }

  void read_pattern() {
    const json& pre = at("pre_tokenizer");
    constexpr char kKnown[] = "a Sequence of Split, by a regular expression, and ByteLevel";
    if (type_of(pre) == "ByteLevel") {
      require(pre, "pre_tokenizer", "add_prefix_space", false);
      definition_.pattern = kByteLevelPattern;
      if (at(pre, "use_regex") == false) unknown("pre_tokenizer", pre, kKnown);
      return;
    }
    const json& parts = at(pre, "pretokenizers");
    if (type_of(pre) != "Sequence" || !parts.is_array() || parts.size() != 2 || type_of(parts[0]) != "Split" ||
        type_of(parts[1]) != "ByteLevel")
      unknown("pre_tokenizer", pre, kKnown);
    const std::string split = "pre_tokenizer.pretokenizers[0]", bytes = "pre_tokenizer.pretokenizers[1]";
    const json& pattern = at(at(parts[0], "pattern"), "Regex");
    if (!pattern.is_string()) unknown(split + ".pattern", at(parts[0], "pattern"), "{\"Regex\": \"...\"}");
    require(parts[0], split, "behavior", "Isolated");
    require(parts[0], split, "invert", false);
    require(parts[1], bytes, "add_prefix_space", false);
    if (at(parts[1], "use_regex") != false) unknown(bytes + ".use_regex", at(parts[1], "use_regex"), "false");
    definition_.pattern = pattern.get<std::string>();
    if (definition_.pattern != kLlamaPattern) Pattern(definition_.pattern, file_ + ": " + split);
  }

  void read_model() {
    const json& model = at("model");
    if (!model.is_object()) refuse("model", " is missing");
    if (const json& type = at(model, "type"); !type.is_null() && type != "BPE") unknown("model.type", type, "\"BPE\"");
    if (const json& dropout = at(model, "dropout"); !dropout.is_null() && dropout != 0) unknown("model.dropout", dropout, "null");
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) require(model, "model", key, "");
    require(model, "model", "byte_fallback", false);
    const json& ignore = at(model, "ignore_merges");
    if (!ignore.is_null() && !ignore.is_boolean()) unknown("model.ignore_merges", ignore, "true or false");
    definition_.ignore_merges = ignore == true;
    if (!at(model, "vocab").is_object()) refuse("model.vocab", " is missing or not an object");
    if (!at(model, "merges").is_array()) refuse("model.merges", " is missing or not a list");
    if (parts_.vocab.empty()) refuse("model.vocab", " is empty");
  }

  // Requires ids from 0 without a gap, which bounds them by the number of tokens in the file.
  void read_vocab() {
    const size_t count = parts_.vocab.size();
    if (count > kMostTokens) refuse("model.vocab", " has {} tokens, expected at most {}", count, kMostTokens);
    std::vector<bool> taken(count);
    definition_.tokens.resize(count);
    definition_.mergeable.resize(count);
    std::string bytes;
    for (const auto& [letters, id] : parts_.vocab) {
      if (id >= count)
        refuse("model.vocab[" + shown(letters) + "]", " = {}, but there are {} tokens: ids go from 0 without a gap", id, count);
      if (taken[id]) refuse("model.vocab[" + shown(letters) + "]", " = {}, an id that another token has", id);
      taken[id] = true;
      definition_.mergeable[id] = bytes_of(letters, bytes);
      definition_.tokens[id] = definition_.mergeable[id] ? bytes : letters;
    }
    table_.reserve(count);
    for (size_t id = 0; id < count; ++id)
      if (definition_.mergeable[id] && !table_.insert(static_cast<int32_t>(id)))
        refuse("model.vocab", " has {} twice", shown(letters_of(definition_.tokens[id])));
    for (int byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      if (table_.find({&c, 1}) < 0)
        refuse("model.vocab", " has no token for the byte {}, {}: expected a byte-level vocabulary", byte, shown(letters_of({&c, 1})));
    }
  }

  void read_added() {
    const json& list = at("added_tokens");
    if (!list.is_null() && !list.is_array()) refuse("added_tokens", " is {}, expected a list", shown(list));
    std::unordered_map<std::string, uint64_t> vocab;
    if (!list.empty()) vocab.insert(parts_.vocab.begin(), parts_.vocab.end());
    std::unordered_set<std::string> contents;
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string where = "added_tokens[" + std::to_string(i) + "]";
      const json &token = list[i], &id = at(token, "id"), &content = at(token, "content");
      if (!id.is_number_unsigned()) refuse(where + ".id", " is {}, expected an id", shown(id));
      if (!content.is_string() || content == "") refuse(where + ".content", " is {}, expected a string", shown(content));
      for (const char* key : {"lstrip", "rstrip", "single_word"}) require(token, where, key, false);
      if (!contents.insert(content.get<std::string>()).second) refuse(where, ": {} appears twice", shown(content));
      // Other programs ignore the ids written here: they number tokens that model.vocab lacks in their order.
      const auto in_vocab = vocab.find(content.get<std::string>());
      const uint64_t expected = in_vocab != vocab.end() ? in_vocab->second : definition_.tokens.size();
      if (id != expected) refuse(where + ".id", " = {}, expected {} for {}", shown(id), expected, shown(content));
      // A token of model.vocab keeps the bytes of its letters, because other programs decode it so.
      if (in_vocab == vocab.end()) {
        definition_.tokens.push_back(content.get<std::string>());
        definition_.mergeable.push_back(false);
      }
      definition_.added.push_back(
          {static_cast<int32_t>(expected), content.get<std::string>(), at(token, "special") == true, at(token, "normalized") == true});
    }
  }

  void read_merges() {
    const std::string& texts = parts_.merge_texts;
    size_t begin = 0;
    std::string left, right;
    definition_.merges.reserve(parts_.merge_sizes.size());
    for (size_t i = 0; i < parts_.merge_sizes.size(); ++i) {
      const auto [left_size, right_size] = parts_.merge_sizes[i];
      const std::string_view texts_view = texts, first = texts_view.substr(begin, left_size),
                             second = texts_view.substr(begin + left_size, right_size);
      begin += left_size + right_size;
      const auto id_of = [&](bool known, const std::string& bytes, std::string_view letters) {
        const int32_t id = known ? table_.find(bytes) : -1;
        if (id < 0) refuse("model.merges[" + std::to_string(i) + "]", ": {} is not a token of model.vocab", shown(letters));
        return id;
      };
      const int32_t a = id_of(bytes_of(first, left), left, first), b = id_of(bytes_of(second, right), right, second);
      left += right;
      const int32_t both = id_of(true, left, letters_of(left));
      definition_.merges.push_back({a, b, both, static_cast<uint32_t>(i)});
    }
  }

  void read_decoder() const {
    const json& decoder = at("decoder");
    if (type_of(decoder) != "ByteLevel") unknown("decoder", decoder, "{\"type\": \"ByteLevel\"}");
  }

  void read_template() {
    const json& post = at("post_processor");
    if (post.is_null()) return;
    if (type_of(post) != "Sequence") return read_processor(post, "post_processor");
    const json& parts = at(post, "processors");
    if (!parts.is_array()) unknown("post_processor.processors", parts, "a list");
    for (size_t i = 0; i < parts.size(); ++i) read_processor(parts[i], "post_processor.processors[" + std::to_string(i) + "]");
  }

  void read_processor(const json& processor, const std::string& where) {
    if (type_of(processor) == "ByteLevel") return;  // does not change ids
    if (type_of(processor) != "TemplateProcessing") unknown(where, processor, "TemplateProcessing");
    if (has_template_) refuse(where, ": a second TemplateProcessing");
    has_template_ = true;
    const json& pieces = at(processor, "single");
    if (!pieces.is_array()) refuse(where + ".single", " is {}, expected a list", shown(pieces));
    bool text_seen = false;
    for (size_t i = 0; i < pieces.size(); ++i) {
      const std::string piece = where + ".single[" + std::to_string(i) + "]";
      if (const json& sequence = at(pieces[i], "Sequence"); !sequence.is_null()) {
        if (at(sequence, "id") != "A" || text_seen) unknown(piece, pieces[i], "one sequence \"A\"");
        text_seen = true;
        continue;
      }
      const json& name = at(at(pieces[i], "SpecialToken"), "id");
      if (!name.is_string()) unknown(piece, pieces[i], "a Sequence or a SpecialToken");
      add_around(at(at(processor, "special_tokens"), name.get_ref<const std::string&>().c_str()),
                 where + ".special_tokens[" + shown(name) + "]", text_seen ? definition_.suffix : definition_.prefix);
    }
    if (!text_seen) refuse(where + ".single", ": the text itself, sequence \"A\", is missing");
  }

  void add_around(const json& token, const std::string& where, std::vector<int32_t>& to) {
    const json& ids = at(token, "ids");
    if (!ids.is_array()) refuse(where + ".ids", " is {}, expected a list of ids", shown(ids));
    for (const json& id : ids) {
      if (!id.is_number_unsigned() || id.get<uint64_t>() >= definition_.tokens.size())
        refuse(where + ".ids", " has {}, but ids go from 0 to {}", shown(id), definition_.tokens.size() - 1);
      to.push_back(id.get<int32_t>());
      if (definition_.prefix.size() + definition_.suffix.size() > kMostAround)
        refuse(where, ": more than {} tokens around a text", kMostAround);
    }
  }

  static constexpr size_t kMostTokens = 1 << 24;

  TokenizerJson parts_;
  const std::string& file_;
  Definition definition_;
  TokenTable table_;
  bool has_template_ = false;
};

}  // namespace

Definition parse_tokenizer_json(std::string_view text, const std::string& file) {
  return Reader(read_tokenizer_json(text, file), file).read();
}

}  // namespace corral::tokenizer
