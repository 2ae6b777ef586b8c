#include "plugins/dataset/sft/plain_format.h"

#include <algorithm>

#include "corral/error.h"
#include "plugins/dataset/sft/python_text.h"

namespace corral::sft {

PlainFormat::PlainFormat(const std::string& text) : text_(text) {
  Part part;
  bool any = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '{') {
      part.literal += text[i];
      continue;
    }
    const size_t end = text.find('}', i);
    if (end == std::string::npos || end == i + 1) fail("data.template = \"{}\": write a field as {name}", text);
    part.field = text.substr(i + 1, end - i - 1);
    parts_.push_back(std::move(part));
    part = {};
    any = true;
    i = end;
  }
  if (!any) fail("data.template = \"{}\": expected a field such as {input}", text);
  if (!part.literal.empty()) parts_.push_back(std::move(part));
}

bool PlainFormat::fits(Form form) const {
  const auto names = [&](const char* field) {
    return std::any_of(parts_.begin(), parts_.end(), [&](const Part& p) { return p.field == field; });
  };
  switch (form) {
    case Form::kInputOutput:
      return names("input") && names("output");
    case Form::kPromptCompletion:
      return names("prompt") && names("completion");
    case Form::kInstruction:
      return names("instruction") && names("output");
    default:
      return false;
  }
}

std::vector<Piece> PlainFormat::write(const Json& row, int32_t end_of_text, const Place& place) const {
  const auto answer = std::find_if(parts_.rbegin(), parts_.rend(), [](const Part& p) { return !p.field.empty(); }).base() - 1;
  Piece given{Piece::kGiven, ""}, trained{Piece::kAnswer, ""};
  for (auto part = parts_.begin(); part != parts_.end(); ++part) {
    std::string& text = part > answer ? trained.text : given.text;
    text += part->literal;
    if (part->field.empty()) continue;
    const std::string_view value = trim(text_field(row, part->field.c_str(), place));
    if (part != answer) {
      text += value;
      continue;
    }
    const size_t end = given.text.find_last_not_of(" \t\n\r") + 1;
    // An empty answer trains only the end of text, not the white space before it.
    if (!value.empty()) trained.text = given.text.substr(end);
    given.text.resize(end);
    trained.text += value;
  }
  std::vector<Piece> pieces;
  if (!given.text.empty()) pieces.push_back(std::move(given));
  pieces.push_back(std::move(trained));
  pieces.push_back({Piece::kEnd, "", end_of_text});
  return pieces;
}

}  // namespace corral::sft
