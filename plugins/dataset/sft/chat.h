// A conversation as the rows of a file hold it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace corral::sft {

using Json = nlohmann::ordered_json;  // the order of a tool's keys is part of its text

struct Message {
  std::string role;  // system, user, assistant, tool, ipython
  std::string content;
  Json value;  // of a tool's answer that is no text
  Json call;   // {"name", "arguments"} where the assistant calls a tool instead of speaking
  bool is_answer() const { return role == "assistant"; }
};

struct Chat {
  std::vector<Message> messages;
  Json tools;  // descriptions, or null
};

// A part of a sample's text. The parts are encoded one by one: each ends where the tokenizer cuts anyway.
struct Piece {
  enum Use { kGiven, kAnswer, kEnd };  // kEnd: what ends an answer
  Use use = kGiven;
  std::string text;
  int32_t id = -1;  // instead of a text
};

}  // namespace corral::sft
