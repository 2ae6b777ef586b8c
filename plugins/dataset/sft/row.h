// Parses one line of a JSONL file: its form and its content.
#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/dataset/sft/chat.h"

namespace corral::sft {

// The location of a row, for errors. Its text is made only when needed, since it counts lines.
struct Place {
  std::string_view file;
  std::string_view bytes = {};  // of the file; if empty, only `file` is named
  size_t at = 0;
};
std::ostream& operator<<(std::ostream& out, const Place& place);

enum class Form { kMessages, kConversations, kPromptCompletion, kInstruction, kInputOutput, kIds };

// As shown to users: "messages", "prompt, completion" ...
const char* name_of(Form form);

// The object in a line. Throws Error naming `place` for bad JSON, invalid UTF-8, a value that is not an object, or deep nesting.
Json parse_row(std::string_view line, const Place& place);

// Decides by the row's keys. If they fit several forms, the first in the list above wins.
Form form_of(const Json& row, const Place& place);

// The row as a conversation, for every form but kIds. Throws Error naming `place` and the message.
Chat chat_of(const Json& row, Form form, const Place& place);

// A field that must exist and be a string.
const std::string& text_field(const Json& row, const char* key, const Place& place);

// Ids with labels; labels[i] is ids[i] or -100. Without labels every id but the first is trained.
struct IdRow {
  std::vector<int32_t> ids, labels;
};
IdRow ids_of(const Json& row, uint32_t num_ids, const Place& place);

}  // namespace corral::sft
