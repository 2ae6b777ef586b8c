#include "plugins/tokenizer/common/trainer.h"

#include <algorithm>

#include "plugins/tokenizer/common/test_files.h"
#include "plugins/tokenizer/common/tokenizer_files.h"
#include "plugins/tokenizer/common/tokenizer_json.h"

namespace corral::tokenizer {
namespace {

Definition train_on(const std::vector<std::string>& documents, uint32_t vocab_size, unsigned threads = 1) {
  size_t next = 0;
  return train({.vocab_size = vocab_size, .threads = threads}, [&](std::string_view& text) {
    if (next == documents.size()) return false;
    text = documents[next++];
    return true;
  });
}

std::vector<std::string> merged_tokens(const Definition& d) { return {d.tokens.begin() + 256, d.tokens.end() - 16}; }

TEST(Trainer, MergesTheMostFrequentPairFirstAndOfEqualOnesThatOfTheSmallestIds) {
  // "cd" appears five times. Of "ab", "ba" and " a", three times each, "ab" has the smallest ids.
  const Definition d = train_on({"cd cd cd cd cd abab ab"}, 256 + 16 + 3);
  EXPECT_EQ(merged_tokens(d), (std::vector<std::string>{"cd", " cd", "ab"}));
}

TEST(Trainer, CountsEverythingAndNamesLlama3sSpecialTokens) {
  const Definition d = train_on({"hello hello"}, 256 + 16 + 4);
  EXPECT_EQ(d.tokens.size(), 276u);
  const std::vector<std::string> names(d.tokens.end() - 16, d.tokens.end());
  EXPECT_EQ(names[0], "<|begin_of_text|>");
  for (const char* name : {"<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>", "<|python_tag|>",
                           "<|finetune_right_pad_id|>", "<|reserved_special_token_0|>", "<|reserved_special_token_7|>"})
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 1) << name;
}

TEST(Trainer, DoesNotLearnFromSpecialTokensThatTheTextSpells) {
  const Definition d = train_on({"<|eot_id|><|eot_id|><|eot_id|><|eot_id|>xy xy"}, 256 + 16 + 1);
  EXPECT_EQ(merged_tokens(d), (std::vector<std::string>{"xy"}));
}

TEST(Trainer, GivesTheSameTokenizerForAnyNumberOfThreads) {
  std::vector<std::string> documents;
  const std::string words = "the quick brown fox jumps over the lazy dog and the dog sleeps 1234 times; ";
  for (size_t i = 0; i < 40; ++i) documents.push_back(words.substr(i, words.size() - i) + words.substr(0, 2 * i));
  const auto text = [&](unsigned threads) { return make_tokenizer_files(train_on(documents, 340, threads), "<|end_of_text|>")[0].content; };
  const std::string one = text(1);
  EXPECT_EQ(text(2), one);
  EXPECT_EQ(text(7), one);
}

TEST(Trainer, WritesATokenizerJsonThatReadsBackTheSame) {
  const Definition d = train_on({"Naïve café — naïve cafés, \"quoted\" \\ back", "naïve 12345 \t\n\n x"}, 300);
  const Definition again = parse_tokenizer_json(make_tokenizer_files(d, "<|end_of_text|>")[0].content, "made");
  EXPECT_EQ(again.tokens, d.tokens);
  EXPECT_EQ(again.prefix, d.prefix);
  EXPECT_EQ(again.pattern, d.pattern);
  ASSERT_EQ(again.merges.size(), d.merges.size());
  const Encoder encoder(again);
  EXPECT_EQ(text_of(encoder, ids_of(encoder, "naïve café 😀")), "naïve café 😀");
}

TEST(Trainer, RefusesASizeThatTheBytesOrTheTextDoNotAllow) {
  EXPECT_EQ(message_of([] { train_on({"abc"}, 271); }), "--vocab-size = 271: expected at least 272, 256 bytes and 16 special tokens");
  EXPECT_EQ(message_of([] { train_on({"abc"}, 4096); }),
            "--vocab-size = 4096: the text yields no more than 274 ids\n       give more text, or --vocab-size 274");
  EXPECT_EQ(train_on({}, 272).tokens.size(), 272u);
  EXPECT_EQ(message_of([] { train_on({"ok", "a\xFF"}, 300); }), "document 2 of the training text is not UTF-8 at its byte 1");
}

}  // namespace
}  // namespace corral::tokenizer
