#include "plugins/dataset/sft/row.h"

#include <algorithm>
#include <cstdio>

#include "corral/error.h"
#include "corral/utf8.h"
#include "plugins/dataset/common/lines.h"

namespace corral::sft {
namespace {
constexpr int kDeepest = 64;

const std::vector<std::string> kRoles{"system", "user", "assistant", "tool", "ipython"};
const std::vector<std::string> kSpeakers{"system", "human", "gpt", "tool"};

// Checks the nesting of brackets outside strings, because code that walks the values recurses once per level.
bool too_deep(std::string_view line) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kDeepest) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

// One of a row's messages; its text is made only for an error.
struct Where {
  const Place& place;
  const char* key;
  size_t number;
  friend std::ostream& operator<<(std::ostream& out, const Where& w) { return out << w.place << ": " << w.key << "[" << w.number << "]"; }
};

// The JSON library's message without its prefix and position.
std::string reason(const std::string& what) {
  const size_t column = what.find(": ", what.find("column "));
  return column == std::string::npos ? what : what.substr(column + 2);
}

std::string keys_of(const Json& row) {
  std::string all;
  for (const auto& [key, value] : row.items()) {
    if (all.size() > 200) return all + ", …";
    all += (all.empty() ? "\"" : ", \"") + key.substr(0, 40) + "\"";
  }
  return all.empty() ? "none" : all;
}

const Json* find(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

// [{"type": "function", "function": {"name": ..., "arguments": {...}}}]; arguments may be an object or its JSON text.
Json call_of(const Json& calls, const Where& where) {
  if (!calls.is_array() || calls.empty()) fail("{}.tool_calls: expected an array of one call", where);
  if (calls.size() > 1) fail("{}.tool_calls has {} calls: Llama's templates write one per turn", where, calls.size());
  const Json* function = calls[0].is_object() ? find(calls[0], "function") : nullptr;
  if (!function && calls[0].is_object()) function = &calls[0];
  if (!function || !function->is_object() || !find(*function, "name") || !find(*function, "name")->is_string() ||
      !find(*function, "arguments"))
    fail("{}.tool_calls[0]: expected {\"function\": {\"name\": \"...\", \"arguments\": {...}}}", where);
  Json call{{"name", (*function)["name"]}, {"arguments", (*function)["arguments"]}};
  if (call["arguments"].is_string()) {
    const auto& text = call["arguments"].get_ref<const std::string&>();
    Json parsed = too_deep(text) ? Json(Json::value_t::discarded) : Json::parse(text, nullptr, false);
    if (parsed.is_discarded()) fail("{}.tool_calls[0].function.arguments: the text is not JSON", where);
    call["arguments"] = std::move(parsed);
  }
  return call;
}

// [{"type": "text", "text": ...}, ...], concatenated as templates do.
std::string text_of_parts(const Json& parts, const char* key, const Where& where) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Json *type = parts[i].is_object() ? find(parts[i], "type") : nullptr, *part = type ? find(parts[i], "text") : nullptr;
    if (!type || !type->is_string()) fail("{}.{}[{}]: expected {\"type\": \"text\", \"text\": \"...\"}", where, key, i);
    if (*type != "text") fail("{}.{}[{}].type = \"{}\": a Llama 3 reads only text", where, key, i, type->get<std::string>());
    if (!part || !part->is_string()) fail("{}.{}[{}] has no string \"text\"; its keys: {}", where, key, i, keys_of(parts[i]));
    text += part->get_ref<const std::string&>();
  }
  return text;
}

Message message_of(const Json& from, const char* role_key, const char* content_key, const std::vector<std::string>& roles,
                   const Where& where) {
  if (!from.is_object()) fail("{} is not an object with \"{}\" and \"{}\"", where, role_key, content_key);
  const Json *role = find(from, role_key), *content = find(from, content_key), *calls = find(from, "tool_calls");
  if (!role) fail("{} has no \"{}\"; its keys: {}", where, role_key, keys_of(from));
  if (!role->is_string()) fail("{}.{} is not a string", where, role_key);
  Message message;
  message.role = role->get<std::string>();
  if (std::find(roles.begin(), roles.end(), message.role) == roles.end())
    fail("{}.{} = \"{}\": unknown role{}", where, role_key, message.role, did_you_mean(message.role, roles));
  if (calls) {
    if (!message.is_answer()) fail("{}.tool_calls: only the assistant calls tools, and this is a turn of {}", where, message.role);
    message.call = call_of(*calls, where);
    return message;
  }
  if (!content) fail("{} has no \"{}\"; its keys: {}", where, content_key, keys_of(from));
  if (content->is_string())
    message.content = content->get<std::string>();
  else if (message.role == "tool" || message.role == "ipython")
    message.value = *content;
  else if (content->is_array())
    message.content = text_of_parts(*content, content_key, where);
  else
    fail("{}.{} is neither a string nor an array of parts", where, content_key);
  return message;
}

Chat messages_of(const Json& row, const char* key, const char* role_key, const char* content_key, const std::vector<std::string>& roles,
                 const Place& place) {
  const Json& list = row[key];
  if (!list.is_array()) fail("{}: \"{}\" is not an array", place, key);
  if (list.empty()) fail("{}: \"{}\" is empty", place, key);
  Chat chat;
  for (size_t i = 0; i < list.size(); ++i) chat.messages.push_back(message_of(list[i], role_key, content_key, roles, {place, key, i}));
  if (const Json* tools = find(row, "tools")) {
    if (!tools->is_array()) fail("{}: \"tools\" is not an array", place);
    if (!tools->empty()) chat.tools = *tools;
  }
  return chat;
}

Chat question_and_answer(std::string question, std::string answer) {
  Chat chat;
  chat.messages.push_back({"user", std::move(question), {}, {}});
  chat.messages.push_back({"assistant", std::move(answer), {}, {}});
  return chat;
}

std::vector<int32_t> integers(const Json& row, const char* key, const Place& place) {
  const Json& list = row[key];
  if (!list.is_array()) fail("{}: \"{}\" is not an array of integers", place, key);
  std::vector<int32_t> values;
  values.reserve(list.size());
  for (const Json& value : list) {
    const bool fits =
        value.is_number_unsigned() ? value.get<uint64_t>() <= INT32_MAX : value.is_number_integer() && value.get<int64_t>() >= INT32_MIN;
    if (!fits) fail("{}: {}[{}] is not a 32-bit integer", place, key, values.size());
    values.push_back(value.get<int32_t>());
  }
  return values;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Place& place) {
  return place.bytes.empty() ? out << place.file : out << data::line_place(std::string(place.file), place.bytes, place.at);
}

const char* name_of(Form form) {
  switch (form) {
    case Form::kMessages:
      return "messages";
    case Form::kConversations:
      return "conversations";
    case Form::kPromptCompletion:
      return "prompt, completion";
    case Form::kInstruction:
      return "instruction, input, output";
    case Form::kInputOutput:
      return "input, output";
    case Form::kIds:
      return "input_ids";
  }
  return "";
}

Json parse_row(std::string_view line, const Place& place) {
  const size_t invalid = first_invalid_utf8(line);
  if (invalid != kAllValid) {
    char byte[8];
    std::snprintf(byte, sizeof byte, "0x%02X", static_cast<unsigned char>(line[invalid]));
    fail("{}: column {}: invalid UTF-8, byte {}", place, invalid + 1, byte);
  }
  if (too_deep(line)) fail("{}: nested deeper than {} levels", place, kDeepest);
  try {
    Json row = Json::parse(line);
    if (!row.is_object()) fail("{}: expected a JSON object: a JSONL file has one on each line", place);
    return row;
  } catch (const Json::parse_error& e) {
    fail("{}: column {}: {}", place, e.byte, reason(e.what()));
  } catch (const Json::out_of_range& e) {  // a number such as 1e999
    const std::string what = e.what();
    fail("{}: {}", place, what.substr(std::min(what.find("] ") + 2, what.size())));
  }
}

Form form_of(const Json& row, const Place& place) {
  const auto has = [&](const char* key) { return row.contains(key); };
  if (has("messages")) return Form::kMessages;
  if (has("conversations")) return Form::kConversations;
  if (has("prompt") && has("completion")) return Form::kPromptCompletion;
  if (has("instruction") && has("output")) return Form::kInstruction;
  if (has("input") && has("output")) return Form::kInputOutput;
  if (has("input_ids")) return Form::kIds;
  fail(
      "{}: not a known form of sample: its keys are {}\n"
      "       one of: messages · conversations · prompt, completion · instruction, input, output · input, output · input_ids, labels",
      place, keys_of(row));
}

const std::string& text_field(const Json& row, const char* key, const Place& place) {
  const auto found = row.find(key);
  if (found == row.end()) fail("{}: no field \"{}\"; its keys: {}", place, key, keys_of(row));
  if (!found->is_string()) fail("{}: \"{}\" is not a string", place, key);
  return found->get_ref<const std::string&>();
}

Chat chat_of(const Json& row, Form form, const Place& place) {
  const auto text = [&](const char* key) { return text_field(row, key, place); };
  switch (form) {
    case Form::kMessages:
      return messages_of(row, "messages", "role", "content", kRoles, place);
    case Form::kConversations: {
      Chat chat = messages_of(row, "conversations", "from", "value", kSpeakers, place);
      for (Message& m : chat.messages) m.role = m.role == "human" ? "user" : m.role == "gpt" ? "assistant" : m.role;
      return chat;
    }
    case Form::kPromptCompletion:
      return question_and_answer(text("prompt"), text("completion"));
    case Form::kInstruction: {
      const std::string input = row.contains("input") && !row["input"].is_null() ? text("input") : "";
      return question_and_answer(text("instruction") + (input.empty() ? "" : "\n\n" + input), text("output"));
    }
    case Form::kInputOutput:
      return question_and_answer(text("input"), text("output"));
    case Form::kIds:
      break;
  }
  fail_bug("a row of ids is not a chat");
}

IdRow ids_of(const Json& row, uint32_t num_ids, const Place& place) {
  IdRow result{integers(row, "input_ids", place), {}};
  if (result.ids.empty()) fail("{}: \"input_ids\" is empty", place);
  for (size_t i = 0; i < result.ids.size(); ++i) {
    if (result.ids[i] < 0) fail("{}: input_ids[{}] = {}: a token id is not negative", place, i, result.ids[i]);
    if (num_ids > 0 && static_cast<uint32_t>(result.ids[i]) >= num_ids)
      fail("{}: input_ids[{}] = {}, but the vocabulary has {} ids", place, i, result.ids[i], num_ids);
  }
  if (!row.contains("labels")) {
    result.labels = result.ids;
    return result;
  }
  result.labels = integers(row, "labels", place);
  if (result.labels.size() != result.ids.size())
    fail("{}: \"labels\" has {} values and \"input_ids\" {}: one label for each id, not shifted", place, result.labels.size(),
         result.ids.size());
  for (size_t i = 0; i < result.ids.size(); ++i)
    if (result.labels[i] != -100 && result.labels[i] != result.ids[i])
      fail("{}: labels[{}] = {}, but input_ids[{}] = {}: a label is the id itself, or -100 for none; they are not shifted", place, i,
           result.labels[i], i, result.ids[i]);
  return result;
}

}  // namespace corral::sft
