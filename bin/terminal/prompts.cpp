#include "bin/terminal/prompts.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "corral/abi.h"
#include "corral/error.h"

namespace corral::cli {
namespace {

class Reader {
 public:
  Reader(const Arguments& arguments, const TokenizerHandle* tokenizer, int64_t vocabulary)
      : tokenizer_(tokenizer), vocabulary_(vocabulary), flags_(arguments.has("raw") ? 0 : CORRAL_ADD_SPECIAL) {}

  Prompt text(const std::string& where, const std::string& text) const {
    if (!tokenizer_) fail("{}: the model's folder has no tokenizer: name one with --tokenizer PATH, or give ids (input_ids)", where);
    return checked(where, {tokenizer_->encode(text, flags_), text});
  }

  std::vector<Prompt> file(const std::string& path) const {
    std::ifstream in(path);
    if (!in) fail("--prompts: cannot read {}: {}", path, std::strerror(errno));
    std::vector<Prompt> prompts;
    std::string line;
    for (size_t number = 1; std::getline(in, line); ++number)
      if (line.find_first_not_of(" \t\r") != std::string::npos) prompts.push_back(row(format("{}:{}", path, number), line));
    if (prompts.empty()) fail("--prompts: {} has no line", path);
    return prompts;
  }

 private:
  Prompt row(const std::string& where, const std::string& line) const {
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object()) fail("{}: not a JSON object", where);
    if (json.contains("prompt")) {
      if (!json["prompt"].is_string()) fail("{}: \"prompt\" is not a string", where);
      return text(where, json["prompt"].get<std::string>());
    }
    if (!json.contains("input_ids") || !json["input_ids"].is_array()) fail("{}: neither \"prompt\" nor \"input_ids\"", where);
    Prompt prompt;
    for (const nlohmann::json& id : json["input_ids"]) {
      const int64_t value = id.is_number_integer() ? id.get<int64_t>() : -1;
      prompt.ids.push_back(value < 0 || value >= vocabulary_ ? -1 : static_cast<int32_t>(value));
      if (prompt.ids.back() < 0) fail("{}: input_ids has {}, but ids go from 0 to {}", where, id.dump(), vocabulary_ - 1);
    }
    return checked(where, std::move(prompt));
  }

  Prompt checked(const std::string& where, Prompt prompt) const {
    if (prompt.ids.empty()) fail("{}: an empty prompt: there is no token to continue", where);
    for (const int32_t id : prompt.ids)
      if (id < 0 || id >= vocabulary_)
        fail("{}: the tokenizer gives id {}, but the model's vocabulary has {} ids: use the model's own tokenizer", where, id, vocabulary_);
    return prompt;
  }

  const TokenizerHandle* tokenizer_;
  int64_t vocabulary_;
  uint64_t flags_;
};

}  // namespace

std::vector<Prompt> read_prompts(const Arguments& arguments, const TokenizerHandle* tokenizer, int64_t vocabulary) {
  const Reader reader(arguments, tokenizer, vocabulary);
  if (arguments.has("prompt") == arguments.has("prompts")) fail("generate needs one of --prompt TEXT and --prompts FILE");
  if (arguments.has("prompts")) return reader.file(arguments.text("prompts"));
  const std::vector<std::string> words = arguments.list("prompt");
  if (words.size() > 1)
    fail("--prompt has {} texts, \"{}\" and \"{}\" first: put one into quotes, or use --prompts FILE", words.size(), words[0], words[1]);
  std::string text = arguments.text("prompt");
  if (text == "-") text.assign(std::istreambuf_iterator<char>(std::cin), {});
  return {reader.text("--prompt", text)};
}

}  // namespace corral::cli
