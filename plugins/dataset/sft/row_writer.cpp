#include "plugins/dataset/sft/row_writer.h"

#include "corral/error.h"

namespace corral::sft {
namespace {
constexpr const char* kPlain = "{input} {output}";
}

RowWriter::RowWriter(const std::string& wanted, const std::string& folder_template, const std::string& date)
    : wanted_(wanted), folder_template_(folder_template) {
  const auto recognized = ChatTemplate::recognize(folder_template);
  if (PlainFormat::is_format(wanted))
    format_.emplace(wanted);
  else if (wanted == "llama3")
    chat_.emplace(ChatTemplate::kLlama3, date);
  else if (wanted == "llama31")
    chat_.emplace(ChatTemplate::kLlama31, date);
  else if (!wanted.empty() && wanted != "chat" && wanted != "none")
    fail("data.template = \"{}\": expected llama3, llama31, chat, none or a text with fields such as {input} {output}{}", wanted,
         did_you_mean(wanted, {"llama3", "llama31", "chat", "none"}));
  if (!chat_ && recognized) chat_.emplace(*recognized, date);
  own_ = recognized && chat_->name() == std::string(ChatTemplate(*recognized, date).name());
}

bool RowWriter::writes_chats(Form form) const {
  if (form == Form::kIds) return false;
  if (wanted_ == "none") {
    if (form == Form::kMessages || form == Form::kConversations)
      fail("data.template = none: rows of {} are chats, and a chat needs a template: llama3 or llama31", name_of(form));
    return false;
  }
  if (format_) return !format_->fits(form);
  return !(wanted_.empty() && form == Form::kInputOutput);
}

const ChatTemplate& RowWriter::chat_template() const {
  if (chat_) return *chat_;
  if (folder_template_.empty()) fail("the tokenizer has no chat template: choose one with --set data.template=llama3 or llama31");
  fail(
      "the tokenizer's chat template is not one of Llama 3 (without <|start_header_id|>, <|eot_id|>) and cannot be written here; "
      "choose one with --set data.template=llama3 or llama31, or none for plain prompts and answers");
}

std::vector<Piece> RowWriter::write(const Json& row, Form form, int32_t end_of_text, const Place& place) const {
  if (writes_chats(form)) return chat_template().write(chat_of(row, form, place), false, place);
  if (format_ && format_->fits(form)) return format_->write(row, end_of_text, place);
  const Chat chat = chat_of(row, form, place);
  return PlainFormat(kPlain).write({{"input", chat.messages[0].content}, {"output", chat.messages[1].content}}, end_of_text, place);
}

std::string RowWriter::describe(Form form) const {
  if (form == Form::kIds) return "used unchanged";
  if (!writes_chats(form)) return "written as \"" + (format_ && format_->fits(form) ? format_->text() : kPlain) + "\" and the end of text";
  const std::string why = wanted_ == "llama3" || wanted_ == "llama31" ? "data.template" : "recognized in the tokenizer's own";
  return std::string("written as chats with the template ") + chat_template().name() + " (" + why + ")" +
         (format_ ? "; \"" + format_->text() + "\" names no fields of these rows" : "") +
         // Exports contain the folder's own template, so other programs would write its date.
         (own_ && folder_template_.find(chat_->date()) == std::string::npos
              ? "; the tokenizer's own does not contain the date of these rows, " + chat_->date()
              : "");
}

std::string RowWriter::jinja() const { return own_ ? folder_template_ : chat_template().jinja(); }

}  // namespace corral::sft
