// Compares the templates with texts that transformers renders (tests/golden/chat.json, made by tests/interop/oracle/golden_chat.py).
#include "plugins/dataset/sft/chat_template.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "plugins/dataset/common/test_files.h"
#include "plugins/dataset/sft/python_text.h"
#include "plugins/dataset/sft/row.h"
#include "plugins/dataset/sft/row_writer.h"

namespace {
using namespace corral::sft;
using corral::data::message_of;

Json golden() { return Json::parse(std::ifstream(CORRAL_SOURCE_DIR "/tests/golden/chat.json")); }

const Place kHere{"a.jsonl:1"};

struct Written {
  std::string text;
  std::vector<std::pair<size_t, size_t>> spans;
};

Written joined(const std::vector<Piece>& pieces) {
  Written all;
  for (const Piece& piece : pieces) {
    if (piece.use == Piece::kAnswer) all.spans.push_back({all.text.size(), 0});
    all.text += piece.text;
    if (piece.use == Piece::kEnd) all.spans.back().second = all.text.size();
  }
  return all;
}

TEST(ChatTemplate, WritesWhatTransformersRendersAndTrainsTheAnswersUpToTheirEnd) {
  const Json all = golden();
  size_t chats = 0;
  for (const auto family : {ChatTemplate::kLlama3, ChatTemplate::kLlama31}) {
    const ChatTemplate chat_template(family, "26 Jul 2024");
    for (const Json& c : all[chat_template.name()]) {
      SCOPED_TRACE(std::string(chat_template.name()) + ": " + c["name"].get<std::string>());
      const Chat chat = chat_of(c["row"], Form::kMessages, kHere);
      const Written written = joined(chat_template.write(chat, false, kHere));
      EXPECT_EQ(written.text, c["text"].get<std::string>());
      EXPECT_EQ(Json(written.spans), c["spans"]);
      EXPECT_EQ(joined(chat_template.write(chat, true, kHere)).text, c["text"].get<std::string>() + c["opened"].get<std::string>());
      ++chats;
    }
  }
  EXPECT_EQ(chats, 38u);
}

// Expected by hand from reading the chats: finds a mistake that the program and the golden script would share.
TEST(ChatTemplate, TheGoldensTrainTheTextsThatAPersonWouldName) {
  const std::string end = "<|eot_id|>";
  const std::map<std::string, std::vector<std::string>> by_hand{
      {"oracle 0", {}},
      {"oracle 1", {}},
      {"oracle 2", {"Hallo!"}},
      {"several turns", {"b", "d\n\ne", "g."}},
      {"system turn", {"Hello"}},
      {"two systems", {"Hello"}},
      {"empty answer", {""}},
      {"empty question", {"?", ""}},
      {"ends with the user", {"b"}},
      {"nobody answers", {}},
      {"answers in a row", {"b", "c"}},
      {"parts of text", {"Four, 4.", "?"}},
      {"a call and its answer", {R"({"name": "weather", "parameters": {"city": "Köln", "days": 2, "at": [1.5, {"a": null}]}})", "Sunny."}},
  };
  const Json all = golden();
  size_t seen = 0;
  for (const char* family : {"llama3", "llama31"})
    for (const Json& c : all[family]) {
      const auto expected = by_hand.find(c["name"].get<std::string>());
      if (expected == by_hand.end()) continue;
      SCOPED_TRACE(std::string(family) + ": " + expected->first);
      ++seen;
      const std::string text = c["text"];
      std::vector<std::string> trained, want;
      for (const Json& span : c["spans"]) trained.push_back(text.substr(span[0], span[1].get<size_t>() - span[0].get<size_t>()));
      for (const std::string& answer : expected->second) want.push_back(answer + end);
      EXPECT_EQ(trained, want);
      // As many labels are the end of a turn.
      EXPECT_EQ(std::count(c["labels"].begin(), c["labels"].end(), Json(313)), std::ptrdiff_t(want.size()));
    }
  EXPECT_EQ(seen, 2 * by_hand.size() - 1);  // a call is written by llama31 only
}

TEST(ChatTemplate, TakesTheDateOfTheConfiguration) {
  const ChatTemplate chat_template(ChatTemplate::kLlama31, "1 Mai 2031");
  const std::string text =
      joined(chat_template.write(chat_of({{"prompt", "a"}, {"completion", "b"}}, Form::kPromptCompletion, kHere), false, kHere)).text;
  EXPECT_NE(text.find("Today Date: 1 Mai 2031\n\n<|eot_id|>"), std::string::npos);
  EXPECT_NE(chat_template.jinja().find("'1 Mai 2031'"), std::string::npos);
  EXPECT_EQ(chat_template.jinja().find("@DATE@"), std::string::npos);
}

TEST(ChatTemplate, IsRecognizedByItsMarksNotItsWording) {
  EXPECT_EQ(ChatTemplate::recognize("{% for m in x %}<|start_header_id|> anything <|eot_id|>"), ChatTemplate::kLlama3);
  EXPECT_EQ(ChatTemplate::recognize("<|start_header_id|> Cutting Knowledge Date <|eot_id|>"), ChatTemplate::kLlama31);
  EXPECT_EQ(ChatTemplate::recognize("<|im_start|>{{ m }}<|im_end|>"), std::nullopt);
  EXPECT_EQ(ChatTemplate::recognize("<|start_header_id|> alone"), std::nullopt);
  EXPECT_EQ(ChatTemplate::recognize(""), std::nullopt);
  for (const auto family : {ChatTemplate::kLlama3, ChatTemplate::kLlama31})
    EXPECT_EQ(ChatTemplate::recognize(ChatTemplate(family, "d").jinja()), family);
}

TEST(ChatTemplate, RefusesWhatItCannotWrite) {
  const ChatTemplate three(ChatTemplate::kLlama3, "d"), later(ChatTemplate::kLlama31, "d");
  const Json described = {{"messages", {{{"role", "assistant"}, {"content", "a"}}}}, {"tools", {{{"name", "f"}}}}};
  EXPECT_EQ(message_of([&] { three.write(chat_of(described, Form::kMessages, kHere), false, kHere); }),
            "a.jsonl:1: the row has \"tools\", which the template llama3 cannot write; use data.template=llama31");
  EXPECT_EQ(message_of([&] { later.write(chat_of(described, Form::kMessages, kHere), false, kHere); }),
            "a.jsonl:1: \"tools\" are described in the user's first turn, but the row does not begin with a turn of the user");
}

TEST(RowWriter, TakesTheFoldersTemplateUnlessAnotherIsNamed) {
  const std::string folder = "x <|start_header_id|> <|eot_id|> y";
  EXPECT_STREQ(RowWriter("", folder, "d").chat_template().name(), "llama3");
  EXPECT_EQ(RowWriter("", folder, "d").jinja(), folder);
  EXPECT_EQ(RowWriter("llama3", folder, "d").jinja(), folder);
  EXPECT_STREQ(RowWriter("llama31", folder, "d").chat_template().name(), "llama31");
  EXPECT_EQ(RowWriter("llama31", folder, "d").jinja(), ChatTemplate(ChatTemplate::kLlama31, "d").jinja());
  EXPECT_EQ(RowWriter("", folder, "d").describe(Form::kMessages),
            "written as chats with the template llama3 (recognized in the tokenizer's own)");
  const std::string dated = ChatTemplate(ChatTemplate::kLlama31, "3 Mar 2031").jinja();
  EXPECT_EQ(RowWriter("", dated, "3 Mar 2031").describe(Form::kMessages),
            "written as chats with the template llama31 (recognized in the tokenizer's own)");
  EXPECT_EQ(
      RowWriter("", dated, "4 Mar 2031").describe(Form::kMessages),
      "written as chats with the template llama31 (recognized in the tokenizer's own); the tokenizer's own does not contain the date of "
      "these rows, 4 Mar 2031");
}

TEST(RowWriter, KeepsInputAndOutputPlainUnlessAChatIsAskedFor) {
  const std::string folder = "<|start_header_id|> <|eot_id|>";
  for (const char* plain : {"", "none", "{input} {output}"})
    EXPECT_FALSE(RowWriter(plain, folder, "d").writes_chats(Form::kInputOutput)) << plain;
  for (const char* chat : {"chat", "llama3", "llama31"}) EXPECT_TRUE(RowWriter(chat, folder, "d").writes_chats(Form::kInputOutput)) << chat;
  for (const Form form : {Form::kMessages, Form::kConversations, Form::kPromptCompletion, Form::kInstruction})
    EXPECT_TRUE(RowWriter("{input} {output}", folder, "d").writes_chats(form));
  EXPECT_FALSE(RowWriter("{prompt}{completion}", folder, "d").writes_chats(Form::kPromptCompletion));
}

TEST(RowWriter, WritesPlainRowsWithTheSpaceOnTheSideOfTheAnswer) {
  const std::vector<Piece> pieces = RowWriter("", "", "d").write({{"input", " a b "}, {"output", "\nc"}}, Form::kInputOutput, 7, kHere);
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[0].text, "a b");
  EXPECT_EQ(pieces[1].text, " c");
  EXPECT_EQ(pieces[2].id, 7);
  const std::vector<Piece> own =
      RowWriter("Q: {prompt}\nA: {completion}!", "", "d").write({{"prompt", "a"}, {"completion", "b"}}, Form::kPromptCompletion, 7, kHere);
  EXPECT_EQ(own[0].text, "Q: a\nA:");
  EXPECT_EQ(own[1].text, " b!");
}

TEST(RowWriter, RefusesATemplateThatItDoesNotKnow) {
  EXPECT_EQ(message_of([] { RowWriter("lama3", "", "d"); }),
            "data.template = \"lama3\": expected llama3, llama31, chat, none or a text with fields such as {input} {output}\n       did "
            "you mean \"llama3\"?");
  EXPECT_EQ(message_of([] { RowWriter("", "", "d").chat_template(); }),
            "the tokenizer has no chat template: choose one with --set data.template=llama3 or llama31");
  EXPECT_NE(message_of([] { RowWriter("", "<|im_start|>", "d").chat_template(); }).find("--set data.template=llama3 or llama31, or none"),
            std::string::npos);
  EXPECT_NE(message_of([] { RowWriter("none", "", "d").writes_chats(Form::kMessages); }).find("rows of messages are chats"),
            std::string::npos);
  EXPECT_NE(message_of([] { RowWriter("{input", "", "d"); }).find("write a field as {name}"), std::string::npos);
}

TEST(PythonText, TrimsWhatPythonTrims) {
  EXPECT_EQ(trim(" \t\x1c\xc2\xa0\xe2\x80\x83 a \xe3\x80\x80 b\xc2\x85\n"), "a \xe3\x80\x80 b");
  EXPECT_EQ(trim("\xe2\x80\x8b x \xf0\x9f\x98\x80"), "\xe2\x80\x8b x \xf0\x9f\x98\x80");
  EXPECT_EQ(trim(" \n"), "");
}

TEST(PythonText, SpellsJsonAsPythonDoes) {
  const auto spelled = [](const char* text) { return to_json(Json::parse(text)); };
  EXPECT_EQ(spelled("{\"b\":[1,-2.0,1e-7,1e16,0.1,123456.75],\"a\":{\"x\":null,\"y\":true,\"e\":[]}}"),
            "{\"b\": [1, -2.0, 1e-07, 1e+16, 0.1, 123456.75], \"a\": {\"x\": null, \"y\": true, \"e\": []}}");
  EXPECT_EQ(spelled("\"\\\"\\\\\\n\\u0001\xc3\xbc\""), "\"\\\"\\\\\\n\\u0001\xc3\xbc\"");
  EXPECT_EQ(to_json(Json::parse("{\"a\":[1],\"b\":{}}"), 4), "{\n    \"a\": [\n        1\n    ],\n    \"b\": {}\n}");
}
}  // namespace
