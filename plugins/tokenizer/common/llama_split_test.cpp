#include "plugins/tokenizer/common/llama_split.h"

#include <random>

#include "plugins/tokenizer/common/pattern.h"
#include "plugins/tokenizer/common/test_files.h"

namespace corral::tokenizer {
namespace {

std::vector<std::string> by_hand(const std::string& text) {
  const LlamaSplit split;
  std::vector<std::string> pieces;
  const char *at = text.data(), *end = at + text.size();
  while (at < end) {
    const char* after = split.piece(at, end);
    pieces.emplace_back(at, after);
    at = after;
  }
  return pieces;
}

std::vector<std::string> by_pattern(const Pattern& pattern, const std::string& text) {
  Pattern::Pieces pieces(pattern, text);
  std::vector<std::string> result;
  for (std::string_view piece = pieces.next(); !piece.empty(); piece = pieces.next()) result.emplace_back(piece);
  return result;
}

// Blocks whose code points have the same classes in old and new Unicode versions.
constexpr CodePoints kBlocks[] = {{0x00, 0x7F},     {0x20, 0x40},     {0x09, 0x0D},     {0x80, 0x24F},      {0x370, 0x3FF},
                                  {0x400, 0x4FF},   {0x5D0, 0x5EA},   {0x620, 0x66F},   {0x900, 0x97F},     {0x1680, 0x1680},
                                  {0x180E, 0x180E}, {0x1F00, 0x1FFF}, {0x2000, 0x206F}, {0x2150, 0x218B},   {0x3000, 0x30FF},
                                  {0x4E00, 0x4FFF}, {0xAC00, 0xACFF}, {0xFF00, 0xFFEE}, {0x1D400, 0x1D7FF}, {0x1F600, 0x1F64F}};

TEST(LlamaSplit, CutsAsTheRegularExpressionDoes) {
  const Pattern pattern{std::string(kLlamaPattern), "test"};
  std::mt19937 random(1);
  const auto below = [&](size_t n) { return random() % n; };
  constexpr const char* kOften[] = {" ",  "  ",        "\n", "\r\n", "\t",    "'", "'s",  "'LL",     "'rE",
                                    "'v", "'\xC5\xBF", "12", "a",    "don't", ".", " \n", "\xC2\xA0"};
  for (int i = 0; i < 60000; ++i) {
    std::string text;
    for (size_t parts = 1 + below(10); parts > 0; --parts) {
      if (below(2) == 0) {
        text += kOften[below(std::size(kOften))];
        continue;
      }
      const CodePoints& block = kBlocks[below(std::size(kBlocks))];
      append_utf8(block.first + static_cast<uint32_t>(below(block.last - block.first + 1)), text);
    }
    ASSERT_EQ(by_hand(text), by_pattern(pattern, text)) << text;
  }
}

TEST(LlamaSplit, KnowsLettersAndDigitsThatUnicode16HasAdded) {
  const ClassTable& classes = ClassTable::get();
  EXPECT_EQ(classes[0x1C89], Class::kLetter);   // Cyrillic, Unicode 16
  EXPECT_EQ(classes[0x31350], Class::kLetter);  // CJK extension H, Unicode 15
  EXPECT_EQ(classes[0x10D40], Class::kNumber);  // Garay, Unicode 16
  EXPECT_EQ(classes[0x180E], Class::kOther);    // not a space since Unicode 6.3
  EXPECT_EQ(classes[0x85], Class::kSpace);
  EXPECT_EQ(classes[0x10FFFF], Class::kOther);
}

TEST(Pattern, RefusesWhatIsNoPatternAndWhatMatchesNothing) {
  EXPECT_NE(message_of([] { Pattern("a(", "here"); }).find("here: the pattern a(: missing closing parenthesis"), std::string::npos);
  EXPECT_EQ(message_of([] { Pattern("a*", "here"); }), "here: the pattern a* matches the empty text: not supported");
  EXPECT_EQ(message_of([] { Pattern("[a\\S]", "here"); }), "here: \\S inside [ ] in the pattern [a\\S]: not supported");
}

TEST(Pattern, GivesAlsoWhatLiesBetweenTheMatches) {
  EXPECT_EQ(by_pattern(Pattern("b+", "test"), "abbcb"), (std::vector<std::string>{"a", "bb", "c", "b"}));
  EXPECT_EQ(by_pattern(Pattern("x", "test"), "abc"), (std::vector<std::string>{"abc"}));
}

TEST(Pattern, EndsWithAnErrorWhereMatchingTakesTooLong) {
  const Pattern pattern("(?:(?:a+)+b|[^a])", "test");
  EXPECT_NE(message_of([&] { by_pattern(pattern, std::string(5000, 'a')); }).find("the tokenizer's pattern"), std::string::npos);
}

}  // namespace
}  // namespace corral::tokenizer
