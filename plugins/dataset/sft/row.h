// One line of a JSONL file: which form it has, and what stands in it.
#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/dataset/sft/chat.h"

namespace corral::sft {

// Where a row stands, for errors: its text, which counts lines, is made only there.
struct Place {
  std::string_view file;
  std::string_view bytes = {};  // of the file; none: `file` says all
  size_t at = 0;
};
std::ostream& operator<<(std::ostream& out, const Place& place);

enum class Form { kMessages, kConversations, kPromptCompletion, kInstruction, kInputOutput, kIds };

// As users know it: "messages", "prompt, completion" ...
const char* name_of(Form form);

// The object of a line. Throws Error naming `place`: bad JSON, invalid UTF-8, no object, nested too deep.
Json parse_row(std::string_view line, const Place& place);

// By all keys of the row; where it has those of several forms, the first of the list above.
Form form_of(const Json& row, const Place& place);

// The row as a conversation: every form but kIds. Throws Error naming `place` and the message.
Chat chat_of(const Json& row, Form form, const Place& place);

// A field that must be a string.
const std::string& text_field(const Json& row, const char* key, const Place& place);

// As ids with their labels; labels[i] is ids[i] or -100. Without labels every id but the first is trained.
struct IdRow {
  std::vector<int32_t> ids, labels;
};
IdRow ids_of(const Json& row, uint32_t num_ids, const Place& place);

}  // namespace corral::sft
