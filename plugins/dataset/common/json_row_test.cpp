#include "plugins/dataset/common/json_row.h"

#include <gtest/gtest.h>

namespace corral::data {
namespace {
JsonRow parse(std::string_view line, size_t longest = 8) {
  static std::string kept;  // views of the row point into the line
  kept = line;
  JsonRow row;
  parse_json_row(kept, longest, row);
  return row;
}

std::string error_of(std::string_view line, size_t longest = 8) {
  try {
    parse(line, longest);
  } catch (const JsonError& error) {
    return std::to_string(error.column) + ": " + error.what();
  }
  return "no error";
}

TEST(JsonRow, TakesTheTextFieldAmongOthers) {
  EXPECT_EQ(parse(R"({"id": 7, "meta": {"a": [1, -2.5e3, null, {"b": true}]}, "text": "a b"})").text, "a b");
}

TEST(JsonRow, UnescapesEveryEscapeAndSurrogatePairs) {
  EXPECT_EQ(parse(R"({"text": "\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00\u0000."})").text,
            std::string_view("\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\0.", 20));
}

TEST(JsonRow, ReadsAnEscapedKey) { EXPECT_EQ(parse(R"({"te\u0078t": "x"})").text, "x"); }

TEST(JsonRow, TakesIdsAndLabelsAsTheyAre) {
  const JsonRow row = parse(R"({"input_ids": [5, 0, 7], "labels": [-100, 0, 9]})");
  EXPECT_TRUE(row.is_ids);
  EXPECT_EQ(row.ids, (std::vector<int32_t>{5, 0, 7}));
  EXPECT_EQ(row.labels, (std::vector<int32_t>{-100, 0, 9}));
}

TEST(JsonRow, KeepsNothingOfTheRowBefore) {
  JsonRow row;
  parse_json_row(R"({"input_ids": [1, 2], "labels": [1, 2]})", 8, row);
  parse_json_row(R"({"text": "x"})", 8, row);
  EXPECT_FALSE(row.is_ids || row.has_labels);
  EXPECT_TRUE(row.ids.empty() && row.labels.empty());
}

TEST(JsonRow, SaysWhatIsWrongAndInWhichColumn) {
  EXPECT_EQ(error_of(R"({"text" "x"})"), "9: expected ':' after a key");
  EXPECT_EQ(error_of(R"({"text": "x")"), "13: expected ',' or '}' after a value, but the line ends");
  EXPECT_EQ(error_of(R"({"text": "x)"), "12: the string does not end on this line");
  EXPECT_EQ(error_of(R"({"text": 5})"), "10: \"text\" is not a string");
  EXPECT_EQ(error_of(R"({"content": "x", "id": 1})"), "1: no field \"text\" or \"input_ids\"; the row has \"content\", \"id\"");
  EXPECT_EQ(error_of("plain words"), "1: expected a JSON object, such as {\"text\": \"...\"}");
  EXPECT_EQ(error_of(R"([{"text": "x"}])"), "1: a JSON array: a JSONL file has one object on each line");
  EXPECT_EQ(error_of(R"({"text": "x"} y)"), "15: something follows the object");
  EXPECT_EQ(error_of(R"({"text": "\q"})"), "11: no such escape in JSON");
  EXPECT_EQ(error_of(R"({"text": "\ud83dx"})"), "11: half a surrogate pair");
  EXPECT_EQ(error_of(R"({"text": "\ude00"})"), "11: half a surrogate pair");
  EXPECT_EQ(error_of(R"({"text": "\u12g4"})"), "13: \\u needs four hexadecimal digits");
  EXPECT_EQ(error_of("{\"text\": \"a\tb\"}"), "12: a control character in a string: write it as an escape");
  EXPECT_EQ(error_of(R"({"text": "x", "n": 01})"), "20: expected a JSON value");
  EXPECT_EQ(error_of(R"({"text": "x", "n": nul})"), "20: expected a JSON value");
}

TEST(JsonRow, RefusesInvalidUtf8ByItsByte) {
  EXPECT_EQ(error_of("{\"text\": \"a\xFF\"}"), "12: invalid UTF-8, byte 0xFF");
  EXPECT_EQ(error_of("{\"text\": \"a\xC0\x80\"}"), "12: invalid UTF-8, byte 0xC0");
  EXPECT_EQ(error_of("{\"text\": \"a\xED\xA0\x80\"}"), "12: invalid UTF-8, byte 0xED");
  EXPECT_EQ(error_of("{\"text\": \"long enough \xF0\x9F\x98"), "23: invalid UTF-8, byte 0xF0");
}

TEST(JsonRow, RefusesIdsThatAreNone) {
  EXPECT_EQ(error_of(R"({"input_ids": [1, -1]})"), "19: input_ids[1] = -1: a token id is not negative");
  EXPECT_EQ(error_of(R"({"input_ids": [1.5]})"), "16: input_ids[0] is not an integer");
  EXPECT_EQ(error_of(R"({"input_ids": ["1"]})"), "16: input_ids[0] is not an integer");
  EXPECT_EQ(error_of(R"({"input_ids": [99999999999]})"), "16: input_ids[0] is not a 32-bit integer");
  EXPECT_EQ(error_of(R"({"input_ids": []})"), "1: \"input_ids\" is empty");
  EXPECT_EQ(error_of(R"({"input_ids": [1], "labels": [-1]})"), "31: labels[0] = -1: a label is a token id, or -100 for no target");
  EXPECT_EQ(error_of(R"({"input_ids": [1, 2], "labels": [1]})"),
            "1: \"labels\" has 1 values and \"input_ids\" 2: one label for each id, not shifted");
  EXPECT_EQ(error_of(R"({"text": "x", "labels": [1]})"), "1: \"labels\" without \"input_ids\"");
}

TEST(JsonRow, RefusesMoreIdsThanTheSequenceIsLong) {
  EXPECT_EQ(error_of(R"({"input_ids": [1, 2]})", 2), "no error");
  EXPECT_EQ(error_of(R"({"input_ids": [1, 2, 3]})", 2),
            "22: \"input_ids\" has more than 2 values, which is train.seq_length: cut the row or set train.seq_length higher");
}

TEST(JsonRow, RefusesNestingThatWouldEatTheStack) {
  EXPECT_EQ(error_of("{\"x\": " + std::string(100000, '[')), "135: nested deeper than 128 levels");
}
}  // namespace
}  // namespace corral::data
