#include "plugins/dataset/sft/row.h"

#include <gtest/gtest.h>

#include "plugins/dataset/common/test_files.h"

namespace {
using namespace corral::sft;
using corral::data::message_of;

// The error for a line, without the file's name and line number.
std::string refusal(std::string_view line) {
  const std::string bytes = "{}\n" + std::string(line);
  const std::string message = message_of([&] {
    const Place place{"a.jsonl", bytes, 3};
    const Json row = parse_row(line, place);
    const Form form = form_of(row, place);
    form == Form::kIds ? void(ids_of(row, 10, place)) : void(chat_of(row, form, place));
  });
  EXPECT_TRUE(message.starts_with("a.jsonl:2: ")) << message;
  return message.substr(std::min<size_t>(11, message.size()));
}

TEST(Row, FormsAreToldByAllKeys) {
  const auto form = [](const char* line) { return form_of(parse_row(line, {"f"}), {"f"}); };
  EXPECT_EQ(form(R"({"prompt": "a", "prompt_id": 1, "messages": []})"), Form::kMessages);
  EXPECT_EQ(form(R"({"id": 1, "conversations": []})"), Form::kConversations);
  EXPECT_EQ(form(R"({"completion": "", "prompt": ""})"), Form::kPromptCompletion);
  EXPECT_EQ(form(R"({"input": "", "output": "", "instruction": ""})"), Form::kInstruction);
  EXPECT_EQ(form(R"({"instruction": "", "output": ""})"), Form::kInstruction);
  EXPECT_EQ(form(R"({"output": "", "input": "", "original_answers": []})"), Form::kInputOutput);
  EXPECT_EQ(form(R"({"input_ids": [1]})"), Form::kIds);
}

TEST(Row, EveryFormIsAChatOfTheSameKind) {
  const auto chat = [](const char* line) {
    const Json row = parse_row(line, {"f"});
    std::string all;
    for (const Message& m : chat_of(row, form_of(row, {"f"}), {"f"}).messages) all += m.role + ":" + m.content + ";";
    return all;
  };
  EXPECT_EQ(
      chat(
          R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})"),
      "system:s;user:q;assistant:a;");
  EXPECT_EQ(
      chat(R"({"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]})"),
      "system:s;user:q;assistant:a;");
  EXPECT_EQ(chat(R"({"prompt": "q", "completion": "a"})"), "user:q;assistant:a;");
  EXPECT_EQ(chat(R"({"instruction": "q", "input": "x", "output": "a"})"), "user:q\n\nx;assistant:a;");
  EXPECT_EQ(chat(R"({"instruction": "q", "input": "", "output": "a"})"), "user:q;assistant:a;");
  EXPECT_EQ(chat(R"({"input": "q", "output": "a"})"), "user:q;assistant:a;");
}

TEST(Row, BadRowsAreRefusedWithTheirLineAndTheMessage) {
  EXPECT_EQ(refusal(R"({"messages": [1e999]})"), "number overflow parsing '1e999'");
  EXPECT_EQ(refusal(R"({"messages": 5})"), "\"messages\" is not an array");
  EXPECT_EQ(refusal(R"({"messages": []})"), "\"messages\" is empty");
  EXPECT_EQ(refusal(R"({"messages": ["hi"]})"), "messages[0] is not an object with \"role\" and \"content\"");
  EXPECT_EQ(refusal(R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistent", "content": "b"}]})"),
            "messages[1].role = \"assistent\": unknown role\n       did you mean \"assistant\"?");
  EXPECT_EQ(refusal(R"({"messages": [{"role": "developer", "content": "a"}]})"),
            "messages[0].role = \"developer\": unknown role\n       one of: system, user, assistant, tool, ipython");
  EXPECT_EQ(refusal(R"({"messages": [{"role": 1, "content": "a"}]})"), "messages[0].role is not a string");
  EXPECT_EQ(refusal(R"({"messages": [{"from": "human", "value": "a"}]})"), "messages[0] has no \"role\"; its keys: \"from\", \"value\"");
  EXPECT_EQ(refusal(R"({"messages": [{"role": "user"}]})"), "messages[0] has no \"content\"; its keys: \"role\"");
  EXPECT_EQ(refusal(R"({"messages": [{"role": "user", "content": null}]})"),
            "messages[0] has no \"content\"; its keys: \"role\", \"content\"");
  EXPECT_EQ(refusal(R"({"messages": [{"role": "user", "content": 5}]})"), "messages[0].content is neither a string nor an array of parts");
  EXPECT_EQ(refusal(R"({"conversations": [{"from": "bot", "value": "a"}]})"),
            "conversations[0].from = \"bot\": unknown role\n       did you mean \"gpt\"?");
  EXPECT_EQ(refusal(R"({"messages": [{"role": "user", "content": "a", "tool_calls": [1]}]})"),
            "messages[0].tool_calls: only the assistant calls tools, and this is a turn of user");
  EXPECT_EQ(refusal(R"({"messages": [{"role": "assistant", "tool_calls": [{}, {}]}]})"),
            "messages[0].tool_calls has 2 calls: Llama's templates write one per turn");
  EXPECT_EQ(refusal(R"({"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}]})"),
            "messages[0].tool_calls[0]: expected {\"function\": {\"name\": \"...\", \"arguments\": {...}}}");
  EXPECT_EQ(refusal(R"({"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}]})"),
            "messages[0].tool_calls[0].function.arguments: the text is not JSON");
  EXPECT_EQ(refusal(R"({"prompt": "a", "completion": 5})"), "\"completion\" is not a string");
  EXPECT_EQ(refusal(R"({"prompt": "a", "answer": "b"})"),
            "not a known form of sample: its keys are \"prompt\", \"answer\"\n       one of: messages · conversations · prompt, "
            "completion "
            "· instruction, input, output · input, output · input_ids, labels");
  EXPECT_EQ(refusal("[1]"), "expected a JSON object: a JSONL file has one on each line");
  EXPECT_EQ(refusal("{\"prompt\": \"\xff\"}"), "column 13: invalid UTF-8, byte 0xFF");
  EXPECT_TRUE(refusal("{\"prompt\": \"a\"").starts_with("column 15: ")) << refusal("{\"prompt\": \"a\"");
  EXPECT_EQ(refusal("{\"messages\": " + std::string(100000, '[')), "nested deeper than 64 levels");
}

TEST(Row, ContentMayBeAListOfPartsOfText) {
  const auto contents = [](const char* line) {
    const Json row = parse_row(line, {"f"});
    std::string all;
    for (const Message& m : chat_of(row, form_of(row, {"f"}), {"f"}).messages) all += "<" + m.content + ">";
    return all;
  };
  EXPECT_EQ(contents(R"({"messages": [{"role": "user", "content": [{"type": "text", "text": " a"}, {"text": "b ", "type": "text"}]},
                                      {"role": "assistant", "content": [{"type": "text", "text": "c"}]},
                                      {"role": "user", "content": []}]})"),
            "< ab ><c><>");
  const std::string begin = R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": [)";
  const auto refused = [&](const std::string& part) { return refusal(begin + R"({"type": "text", "text": "b"}, )" + part + "]}]}"); };
  EXPECT_EQ(refused(R"({"type": "image_url", "image_url": {"url": "x"}})"),
            "messages[1].content[1].type = \"image_url\": a Llama 3 reads only text");
  EXPECT_EQ(refused(R"({"type": "text"})"), "messages[1].content[1] has no string \"text\"; its keys: \"type\"");
  EXPECT_EQ(refused(R"({"type": "text", "text": ["b"]})"), "messages[1].content[1] has no string \"text\"; its keys: \"type\", \"text\"");
  for (const char* part : {"\"b\"", "[]", "{}", R"({"text": "b"})", R"({"type": 1, "text": "b"})"})
    EXPECT_EQ(refused(part), R"(messages[1].content[1]: expected {"type": "text", "text": "..."})") << part;
}

TEST(Row, RowsOfIdsAreCheckedAgainstTheVocabularyAndTheirLabels) {
  EXPECT_EQ(refusal(R"({"input_ids": [1, 10]})"), "input_ids[1] = 10, but the vocabulary has 10 ids");
  EXPECT_EQ(refusal(R"({"input_ids": [-1]})"), "input_ids[0] = -1: a token id is not negative");
  EXPECT_EQ(refusal(R"({"input_ids": [1, 2], "labels": [1]})"),
            "\"labels\" has 1 values and \"input_ids\" 2: one label for each id, not shifted");
  EXPECT_EQ(refusal(R"({"input_ids": [1, 2], "labels": [2, -100]})"),
            "labels[0] = 2, but input_ids[0] = 1: a label is the id itself, or -100 for none; they are not shifted");
  EXPECT_EQ(refusal(R"({"input_ids": [1.5]})"), "input_ids[0] is not a 32-bit integer");
  EXPECT_EQ(refusal(R"({"input_ids": [99999999999]})"), "input_ids[0] is not a 32-bit integer");
  EXPECT_EQ(refusal(R"({"input_ids": [18446744073709551615]})"), "input_ids[0] is not a 32-bit integer");
}
}  // namespace
