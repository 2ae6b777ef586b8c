// `corral tokenizer`: training, encoding, decoding, and refusal of bad input.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/program/run_program.h"

namespace {
namespace fs = std::filesystem;
using nlohmann::json;

class TokenizerProgram : public ProgramTest {
 protected:
  const std::string small_ = " --tokenizer " CORRAL_SOURCE_DIR "/tests/golden/tokenizer/small ";

  // Trains a tokenizer on a file with the content `text`.
  Shown train(const std::string& text, const std::string& more, const std::string& name = "data.jsonl") {
    write_text(folder_ / name, text);
    return corral("tokenizer train --data " + (*this / name) + " --out " + (*this / "tok") + " " + more);
  }
};

TEST_F(TokenizerProgram, TrainsEncodesDecodesAndDescribesItsTokenizer) {
  const Shown trained = train("{\"text\": \"abc abc\"}\n\n{\"text\": \"abc\"}\n", "--vocab-size 274");
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_NE(trained.err.find("274 ids, learned from 2 documents, 10 bytes"), std::string::npos) << trained.err;
  const std::string tok = " --tokenizer " + (*this / "tok") + " ";
  const json info = json::parse(corral("tokenizer info --json" + tok).out);
  EXPECT_EQ(info["num_ids"], 274);
  EXPECT_EQ(info["special_tokens"]["<|begin_of_text|>"], 258);
  EXPECT_EQ(corral("tokenizer encode --json --text abc" + tok).out, "[258, 257]\n");
  EXPECT_EQ(corral("tokenizer decode --ids 258 257" + tok).out, "<|begin_of_text|>abc\n");
  EXPECT_EQ(corral("tokenizer decode --no-special --ids 258 257" + tok).out, "abc\n");
}

TEST_F(TokenizerProgram, EncodesAndDecodesFilesLineByLine) {
  write_text(folder_ / "a.jsonl", "{\"text\": \"It\\u0027s <|eot_id|>\"}\n{\"text\": \"\"}\n");
  write_text(folder_ / "b.txt", "two\nlines");
  const Shown encoded = corral("tokenizer encode --no-special --json --data " + (*this / "a.jsonl") + " " + (*this / "b.txt") + small_);
  ASSERT_EQ(encoded.code, 0) << encoded.err;
  ASSERT_EQ(std::count(encoded.out.begin(), encoded.out.end(), '\n'), 3);
  write_text(folder_ / "ids.jsonl", encoded.out + "{\"input_ids\": [3849]}\n");
  const Shown decoded = corral("tokenizer decode --json --data " + (*this / "ids.jsonl") + small_);
  EXPECT_EQ(decoded.out, "\"It's <|eot_id|>\"\n\"\"\n\"two\\nlines\"\n\"<|eot_id|>\"\n") << decoded.err;
  const Shown plain = corral("tokenizer encode --no-special --plain --json --text '<|eot_id|>'" + small_);
  EXPECT_GT(json::parse(plain.out).size(), 1u);
}

TEST_F(TokenizerProgram, NamesFileAndLineOfTextThatCannotBeRead) {
  const std::string file = *this / "data.jsonl";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"{\"text\": \"a\"}\n{\"text\": 5}\n", file + ":2: \"text\" is not a string"},
      {"{\"text\": \"a\"}\n\n{\"body\": \"b\"}\n", file + ":3: no field \"text\""},
      {"[1]\n", file + ":1: expected a JSON object, such as {\"text\": \"...\"}"},
      {"{\"text\": \"a\n", file + ":1: column 12: syntax error while parsing value - invalid string: missing closing quote"},
      {"{\"text\": \"\xff\"}\n", file + ":1: column 11: syntax error while parsing value - invalid string: ill-formed UTF-8"},
      {"{\"text\": 1e999}\n", file + ":1: number overflow parsing '1e999'"},
      {"", "--vocab-size = 274: the text yields no more than 272 ids"},
  };
  for (const auto& [text, message] : cases) {
    const Shown shown = train(text, "--vocab-size 274");
    EXPECT_EQ(shown.code, 2) << text;
    EXPECT_EQ(shown.err.rfind("error: " + message, 0), 0u) << shown.err;
    EXPECT_FALSE(fs::exists(*this / "tok")) << text;
  }
  EXPECT_NE(train("ok\nno \xff", "--vocab-size 274", "data.txt").err.find("data.txt:2: invalid UTF-8"), std::string::npos);
}

TEST_F(TokenizerProgram, RefusesImpossibleSizesFoldersAndIds) {
  EXPECT_EQ(train("{\"text\": \"abc\"}\n", "--vocab-size 100").err,
            "error: --vocab-size = 100: expected at least 272, 256 bytes and 16 special tokens\n");
  EXPECT_EQ(train("{\"text\": \"abc\"}\n", "--vocab-size -5").code, 2);
  EXPECT_EQ(train("{\"text\": \"abc\"}\n", "").err, "error: tokenizer train needs the number of ids: --vocab-size N\n");
  ASSERT_EQ(train("{\"text\": \"abc\"}\n", "--vocab-size 272").code, 0);
  EXPECT_EQ(train("{\"text\": \"abc\"}\n", "--vocab-size 272").err,
            "error: " + (*this / "tok") + ": exists and is not an empty folder: name a new one\n");
  EXPECT_EQ(corral("tokenizer train --vocab-size 272 --out x --data " + (*this / "data.jsonk")).err,
            "error: --data: no such file: " + (*this / "data.jsonk") + "\n       did you mean \"" + (*this / "data.jsonl") + "\"?\n");
  EXPECT_EQ(corral("tokenizer decode --ids 4096" + small_).err, "error: id 4096: the tokenizer has ids 0 to 4095\n");
  write_text(folder_ / "ids.jsonl", "[1]\n[-1]\n");
  EXPECT_EQ(corral("tokenizer decode --data " + (*this / "ids.jsonl") + small_).err,
            "error: " + (*this / "ids.jsonl") + ":2: -1 is not a token id\n");
  EXPECT_EQ(corral("tokenizer encode --text a").err, "error: a tokenizer is needed: --tokenizer PATH\n");
  EXPECT_EQ(corral("tokenizer encode --text a --tokenizer " + (*this / "nowhere")).code, 2);
}

}  // namespace
