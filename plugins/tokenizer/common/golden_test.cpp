// Compares ids of difficult texts and chats with those of the tokenizers library.
#include <cstdlib>

#include "plugins/tokenizer/common/test_files.h"
#include "plugins/tokenizer/common/tokenizer_json.h"
#include "plugins/tokenizer/common/tokenizer_model.h"

namespace corral::tokenizer {
namespace {
using nlohmann::json;

void expect_golden(const Encoder& encoder, const std::string& name) {
  const json golden = json::parse(read_file(kGolden + "/" + name + ".json"));
  EXPECT_EQ(encoder.definition().tokens.size(), golden["vocab_size"].get<size_t>());
  size_t compared = 0;
  for (const char* group : {"texts", "chats"})
    for (const json& entry : golden[group]) {
      const auto text = entry["text"].get<std::string>();
      const std::vector<int32_t> ids = ids_of(encoder, text);
      EXPECT_EQ(ids, entry["ids"].get<std::vector<int32_t>>()) << text;
      EXPECT_EQ(text_of(encoder, ids), text);
      ++compared;
    }
  EXPECT_GT(compared, 200u);
}

TEST(TokenizerGolden, GivesTheIdsOfTheTokenizersLibraryForATokenizerJson) {
  const std::string file = kGolden + "/small/tokenizer.json";
  expect_golden(Encoder(parse_tokenizer_json(read_file(file), file)), "small");
}

TEST(TokenizerGolden, GivesTheSameIdsForTheSameTokenizerAsTokenizerModel) {
  const std::string file = kGolden + "/small/tokenizer.model";
  expect_golden(Encoder(parse_tokenizer_model(read_file(file), file, "3.1")), "small");
}

// $CORRAL_LLAMA3_TOKENIZER, else a path in the project's shared data: the file's licence keeps it out of the repository.
std::string llama3_model() {
  if (const char* path = std::getenv("CORRAL_LLAMA3_TOKENIZER")) return path;
  for (const char* path : {"/../shared/data/tokenizer-llama3/tokenizer.model", "/../../shared/data/tokenizer-llama3/tokenizer.model"})
    if (is_file(std::string(CORRAL_SOURCE_DIR) + path)) return std::string(CORRAL_SOURCE_DIR) + path;
  return "";
}

TEST(TokenizerGolden, GivesTheIdsOfLlama3AndOf31ForMetasTokenizerModel) {
  const std::string file = llama3_model();
  if (file.empty()) GTEST_SKIP() << "Llama 3's tokenizer.model is not here: name it with CORRAL_LLAMA3_TOKENIZER";
  const std::string content = read_file(file);
  for (const char* version : {"3", "3.1"})
    expect_golden(Encoder(parse_tokenizer_model(content, file, version)), "llama" + std::string(version));
}

}  // namespace
}  // namespace corral::tokenizer
