// The chat templates of Llama 3 and of Llama 3.1 and 3.2, as code.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/dataset/sft/chat.h"
#include "plugins/dataset/sft/row.h"

namespace corral::sft {

class ChatTemplate {
 public:
  enum Family { kLlama3, kLlama31 };
  ChatTemplate(Family family, std::string date) : family_(family), date_(std::move(date)) {}

  // Recognizes a template by its special tokens, whatever its other text; empty if it has none of them.
  static std::optional<Family> recognize(std::string_view text);

  // The parts of the chat. With `open_answer`, the header of the assistant's next turn follows. Throws Error naming `place`.
  std::vector<Piece> write(const Chat& chat, bool open_answer, const Place& place) const;

  const char* name() const { return family_ == kLlama3 ? "llama3" : "llama31"; }
  // The date that the template writes; "" if it writes none.
  std::string date() const { return family_ == kLlama31 ? date_ : ""; }
  // A Jinja template that writes the same, for programs that need one.
  std::string jinja() const;
  // The special tokens that the tokenizer must have.
  static constexpr const char* kMarks[] = {"<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"};
  static constexpr const char* kEndOfTurn = "<|eot_id|>";

 private:
  Family family_;
  std::string date_;
};

}  // namespace corral::sft
