// Turns a row into text. data.template, the form of the file's rows and the tokenizer's own chat template decide how.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plugins/dataset/sft/chat_template.h"
#include "plugins/dataset/sft/plain_format.h"
#include "plugins/dataset/sft/row.h"

namespace corral::sft {

class RowWriter {
 public:
  // `wanted`: data.template. `folder_template`: the tokenizer's own, or "". Throws Error if `wanted` is not a template.
  RowWriter(const std::string& wanted, const std::string& folder_template, const std::string& date);

  bool writes_chats(Form form) const;
  // Throws Error if no template is known, naming the key that chooses one.
  const ChatTemplate& chat_template() const;
  std::vector<Piece> write(const Json& row, Form form, int32_t end_of_text, const Place& place) const;
  // Describes to the user how rows of the form are written.
  std::string describe(Form form) const;
  // The template's text for exports: the folder's own if that one is used.
  std::string jinja() const;

 private:
  std::optional<ChatTemplate> chat_;
  std::optional<PlainFormat> format_;
  std::string wanted_, folder_template_;
  bool own_ = false;  // the folder's own template is used
};

}  // namespace corral::sft
