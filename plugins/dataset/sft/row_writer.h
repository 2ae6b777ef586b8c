// Which text a row becomes: data.template, the form of the file's rows and the tokenizer's own chat template decide.
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
  // `wanted`: data.template. `folder_template`: the tokenizer's own, or "". Throws Error for a `wanted` that is none.
  RowWriter(const std::string& wanted, const std::string& folder_template, const std::string& date);

  bool writes_chats(Form form) const;
  // Throws Error where no template is known, naming the key that chooses one.
  const ChatTemplate& chat_template() const;
  std::vector<Piece> write(const Json& row, Form form, int32_t end_of_text, const Place& place) const;
  // How rows of the form are written, for the user.
  std::string describe(Form form) const;
  // The template's text for exports: the folder's own where it is the one that was taken.
  std::string jinja() const;

 private:
  std::optional<ChatTemplate> chat_;
  std::optional<PlainFormat> format_;
  std::string wanted_, folder_template_;
  bool own_ = false;  // the folder's own was recognized and taken
};

}  // namespace corral::sft
