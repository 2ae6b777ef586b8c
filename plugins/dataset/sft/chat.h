// A conversation as a row of a file states it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace corral::sft {

using Json = nlohmann::ordered_json;  // ordered: the order of a tool's keys is part of its text

struct Message {
  std::string role;  // system, user, assistant, tool, ipython
  std::string content;
  Json value;  // a tool's answer if it is not a string
  Json call;   // {"name", "arguments"} if the assistant calls a tool instead of answering
  bool is_answer() const { return role == "assistant"; }
};

struct Chat {
  std::vector<Message> messages;
  Json tools;  // descriptions of the tools, or null
};

// A part of a sample's text. Parts are encoded separately: each ends where the tokenizer splits the text anyway.
struct Piece {
  enum Use { kGiven, kAnswer, kEnd };  // kEnd: the end-of-turn token or end of text
  Use use = kGiven;
  std::string text;
  int32_t id = -1;  // if >= 0, this id instead of the text
};

}  // namespace corral::sft
