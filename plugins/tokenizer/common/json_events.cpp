#include "plugins/tokenizer/common/json_events.h"

#include "corral/error.h"

namespace corral::tokenizer {
namespace {
using nlohmann::json;
constexpr size_t kDeepest = 32;

std::string json_text(std::string_view text) { return json(text.substr(0, 60)).dump(-1, ' ', false, json::error_handler_t::replace); }

class Events final : public nlohmann::json_sax<json> {
 public:
  Events(const std::string& file, TokenizerJson& out) : file_(file), out_(out) {}

  bool start_object(size_t) override {
    if (in_ != Part::kRest) wrong("an object");
    open(json::object());
    if (depth() == 2 && key_[0] == "model") in_model_ = true;
    return true;
  }
  bool end_object() override {
    if (in_ == Part::kVocab) return in_ = Part::kRest, true;
    if (depth() == 2) in_model_ = false;
    return close();
  }
  bool start_array(size_t) override {
    if (in_ == Part::kVocab || in_ == Part::kPair) wrong("a list");
    if (in_ == Part::kMerges) {
      in_ = Part::kPair;
      words_ = 0;
      return true;
    }
    open(json::array());
    return true;
  }
  bool end_array() override {
    if (in_ == Part::kPair) {
      if (words_ != 2) fail("{}: model.merges[{}] has {} parts, expected 2", file_, out_.merge_sizes.size(), words_);
      out_.merge_sizes.push_back(sizes_);
      in_ = Part::kMerges;
      return true;
    }
    if (in_ == Part::kMerges) return in_ = Part::kRest, true;
    return close();
  }
  bool key(string_t& name) override {
    if (in_ == Part::kVocab)
      token_ = std::move(name);
    else if (depth() <= 2)
      key_[depth() - 1] = std::move(name);
    else
      deep_key_.resize(std::max(deep_key_.size(), depth() + 1)), deep_key_[depth()] = std::move(name);
    return true;
  }
  bool string(string_t& text) override {
    if (in_ == Part::kVocab) wrong("the string " + json_text(text));
    if (in_ == Part::kPair) return part_of_pair(text);
    if (in_ == Part::kMerges) return merge_line(text);
    return value(std::move(text));
  }
  bool number_unsigned(number_unsigned_t number) override {
    if (in_ == Part::kVocab) return out_.vocab.emplace_back(std::move(token_), number), true;
    return number_value(number);
  }
  bool number_integer(number_integer_t number) override { return number_value(number); }
  bool number_float(number_float_t number, const string_t&) override { return number_value(number); }
  bool boolean(bool b) override { return number_value(b); }
  bool null() override { return number_value(nullptr); }
  bool binary(binary_t&) override { return false; }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    fail("{}: not JSON at byte {}: {}", file_, position, e.what());
  }

 private:
  enum class Part { kRest, kVocab, kMerges, kPair };

  size_t depth() const { return stack_.size(); }

  template <class T>
  bool number_value(T given) {
    const json value_json(given);
    if (in_ != Part::kRest) wrong(value_json.dump());
    return value(std::move(value_json));
  }

  [[noreturn]] void wrong(const std::string& found) const {
    if (in_ == Part::kVocab) fail("{}: model.vocab[{}] is {}, expected an id", file_, json_text(token_), found);
    fail("{}: model.merges[{}] is {}, expected \"LEFT RIGHT\" or [\"LEFT\", \"RIGHT\"]", file_, out_.merge_sizes.size(), found);
  }

  bool part_of_pair(const std::string& text) {
    if (words_ == 2) fail("{}: model.merges[{}] has more than 2 parts", file_, out_.merge_sizes.size());
    (words_ == 0 ? sizes_.first : sizes_.second) = static_cast<uint32_t>(text.size());
    out_.merge_texts += text;
    ++words_;
    return true;
  }

  bool merge_line(const std::string& text) {
    const size_t blank = text.find(' ');
    if (blank == std::string::npos || text.find(' ', blank + 1) != std::string::npos) wrong("the string " + json_text(text));
    out_.merge_texts.append(text, 0, blank).append(text, blank + 1);
    out_.merge_sizes.emplace_back(blank, text.size() - blank - 1);
    return true;
  }

  json& place(json&& given) {
    if (stack_.empty()) return out_.rest = std::move(given);
    json& parent = *stack_.back();
    if (parent.is_array()) return parent.emplace_back(std::move(given));
    const std::string& name = depth() <= 2 ? key_[depth() - 1] : deep_key_[depth()];
    if (parent.contains(name)) fail("{}: {} appears twice in one object", file_, json_text(name));
    return parent[name] = std::move(given);
  }
  bool value(json given) {
    place(std::move(given));
    return true;
  }
  void open(json&& container) {
    if (depth() == kDeepest) fail("{}: nested more than {} deep", file_, kDeepest);
    const bool list = container.is_array(), in_model = in_model_ && depth() == 2;
    json& here = place(std::move(container));
    if (in_model && key_[1] == (list ? "merges" : "vocab")) {
      in_ = list ? Part::kMerges : Part::kVocab;
      return;
    }
    stack_.push_back(&here);
  }
  bool close() {
    stack_.pop_back();
    return true;
  }

  const std::string& file_;
  TokenizerJson& out_;
  std::vector<json*> stack_;  // open containers of the tree; their addresses are stable, because only the innermost grows
  std::string key_[2], token_;
  std::vector<std::string> deep_key_;
  Part in_ = Part::kRest;
  bool in_model_ = false;
  int words_ = 0;
  std::pair<uint32_t, uint32_t> sizes_;
};

}  // namespace

TokenizerJson read_tokenizer_json(std::string_view text, const std::string& file) {
  TokenizerJson out;
  Events events(file, out);
  json::sax_parse(text.begin(), text.end(), &events);
  if (!out.rest.is_object()) fail("{}: expected an object", file);
  return out;
}

}  // namespace corral::tokenizer
