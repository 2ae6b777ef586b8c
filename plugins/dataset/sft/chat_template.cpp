#include "plugins/dataset/sft/chat_template.h"

#include "corral/error.h"
#include "plugins/dataset/sft/python_text.h"
#include "plugins/dataset/sft/template_texts.h"

namespace corral::sft {
namespace {

std::string header(std::string_view role) {
  std::string text = "<|start_header_id|>";
  return text.append(role).append("<|end_header_id|>\n\n");
}

// Collects the parts. Adjacent parts of the same use are joined, so that no cut separates text that the tokenizer might join.
class Writer {
 public:
  void given(std::string_view text) {
    if (pieces.empty() || pieces.back().use != Piece::kGiven) pieces.push_back({});
    pieces.back().text += text;
  }
  void turn(std::string_view role, std::string_view text) {
    given(header(role));
    given(text);
    given(ChatTemplate::kEndOfTurn);
  }
  void answer(std::string_view text) {
    given(header("assistant"));
    pieces.push_back({Piece::kAnswer, std::string(text)});
    pieces.push_back({Piece::kEnd, ChatTemplate::kEndOfTurn});
  }

  std::vector<Piece> pieces;
};

void write_turn(const Message& m, bool has_tools, Writer& out) {
  if (!m.call.is_null())
    return out.answer("{\"name\": \"" + m.call["name"].get<std::string>() + "\", \"parameters\": " + to_json(m.call["arguments"]) + "}");
  if (m.is_answer()) return out.answer(trim(m.content));
  if (has_tools && (m.role == "tool" || m.role == "ipython"))
    return out.turn("ipython", to_json(m.value.is_null() ? Json(m.content) : m.value));
  out.turn(m.role, trim(m.content));
}

std::vector<Piece> write_llama3(const Chat& chat, const Place& place) {
  if (!chat.tools.is_null()) fail("{}: the row has \"tools\", which the template llama3 cannot write; use data.template=llama31", place);
  Writer out;
  out.given("<|begin_of_text|>");
  for (const Message& m : chat.messages) {
    if (!m.call.is_null() || !m.value.is_null())
      fail("{}: a tool's call or answer, which the template llama3 cannot write; use data.template=llama31", place);
    write_turn(m, false, out);
  }
  return std::move(out.pieces);
}

std::vector<Piece> write_llama31(const Chat& chat, const std::string& date, const Place& place) {
  Writer out;
  size_t next = !chat.messages.empty() && chat.messages[0].role == "system" ? 1 : 0;
  const std::string_view system = next ? trim(chat.messages[0].content) : "";
  const bool has_tools = !chat.tools.is_null();
  out.given("<|begin_of_text|>");
  out.turn("system", std::string(has_tools ? "Environment: ipython\n" : "") + "Cutting Knowledge Date: December 2023\nToday Date: " + date +
                         "\n\n" + std::string(system));
  if (has_tools) {
    if (next == chat.messages.size() || chat.messages[next].role != "user")
      fail("{}: \"tools\" are described in the user's first turn, but the row does not begin with a turn of the user", place);
    std::string text =
        "Given the following functions, please respond with a JSON for a function call with its proper arguments that best answers the "
        "given prompt.\n\nRespond in the format {\"name\": function name, \"parameters\": dictionary of argument name and its value}."
        "Do not use variables.\n\n";
    for (const Json& tool : chat.tools) text += to_json(tool, 4) + "\n\n";
    out.turn("user", text.append(trim(chat.messages[next].content)));
    ++next;
  }
  for (; next < chat.messages.size(); ++next) write_turn(chat.messages[next], true, out);
  return std::move(out.pieces);
}

}  // namespace

std::optional<ChatTemplate::Family> ChatTemplate::recognize(std::string_view text) {
  const auto has = [&](std::string_view mark) { return text.find(mark) != std::string_view::npos; };
  if (!has("<|start_header_id|>") || !has(kEndOfTurn)) return std::nullopt;
  return has("Cutting Knowledge Date") ? kLlama31 : kLlama3;
}

std::vector<Piece> ChatTemplate::write(const Chat& chat, bool open_answer, const Place& place) const {
  std::vector<Piece> pieces = family_ == kLlama3 ? write_llama3(chat, place) : write_llama31(chat, date_, place);
  if (open_answer) {
    if (pieces.back().use != Piece::kGiven) pieces.push_back({});
    pieces.back().text += header("assistant");
  }
  return pieces;
}

std::string ChatTemplate::jinja() const {
  std::string text = family_ == kLlama3 ? kLlama3Jinja : kLlama31Jinja;
  constexpr std::string_view kDate = "@DATE@";
  if (const size_t at = text.find(kDate); at != std::string::npos) text.replace(at, kDate.size(), date_);
  return text;
}

}  // namespace corral::sft
