#include "plugins/dataset/common/corpus.h"

#include <algorithm>

#include "plugins/dataset/common/measure.h"
#include "plugins/dataset/common/test_encoder.h"
#include "plugins/dataset/common/test_files.h"

namespace corral::data {
namespace {
constexpr Corpus::Settings kSmallBlocks{.seq_length = 4, .seed = 1, .threads = 1, .block_bytes = 16};

std::vector<int32_t> all_tokens(const Corpus& corpus) {
  std::vector<int32_t> ids;
  for (const Block& block : corpus.blocks)
    for (size_t i = 0; i < block.tokens.size(); ++i) ids.push_back(block.tokens[i]);
  return ids;
}

std::string error_of(const std::vector<std::string>& files, Encoder encoder = byte_encoder(), Corpus::Settings settings = kSmallBlocks) {
  return message_of([&] { Corpus::read(files, settings, encoder); });
}

TEST(Corpus, ReadsDocumentsInOrderHoweverTheFileIsCut) {
  const TestFiles files;
  std::string jsonl, expected;
  for (int i = 0; i < 200; ++i) {
    jsonl += "{\"text\": \"" + std::string(static_cast<size_t>(i % 40), 'a') + std::to_string(i) + "\"}\n" + (i % 7 == 0 ? "\n" : "");
    expected += std::string(static_cast<size_t>(i % 40), 'a') + std::to_string(i) + "|";
  }
  jsonl.pop_back();
  const std::string file = files.write("a.jsonl", jsonl);
  for (const size_t block_bytes : {1, 16, 17, 1000, 1 << 20})
    for (const unsigned threads : {1, 5}) {
      std::string text;
      for (const int32_t id :
           all_tokens(Corpus::read({file}, {.seq_length = 4, .seed = 1, .threads = threads, .block_bytes = block_bytes}, byte_encoder())))
        text += id == 300 ? '|' : static_cast<char>(id);
      EXPECT_EQ(text, expected) << block_bytes << " " << threads;
    }
}

TEST(Corpus, TakesAPlainFileAsOneDocumentAndSkipsAByteOrderMark) {
  const TestFiles files;
  const Corpus corpus =
      Corpus::read({files.write("a.txt", "\xEF\xBB\xBFqu\nx"), files.write("b.jsonl", "\xEF\xBB\xBF{\"text\": \"y\"}\r\n")}, kSmallBlocks,
                   byte_encoder());
  EXPECT_EQ(all_tokens(corpus), (std::vector<int32_t>{256, '\n', 'x', 300, 'y', 300}));
}

TEST(Corpus, NamesFileAndLineOfTheFirstBadRow) {
  const TestFiles files;
  std::string rows;
  for (int i = 0; i < 50; ++i) rows += "{\"text\": \"fine\"}\n";
  const std::string a = files.write("a.jsonl", rows + "{\"text\": 1}\n" + rows + "bad\n");
  Corpus::Settings threads = kSmallBlocks;
  threads.threads = 4;
  for (int run = 0; run < 20; ++run) EXPECT_EQ(error_of({a}, byte_encoder(), threads), a + ":51: column 10: \"text\" is not a string");
}

TEST(Corpus, RefusesWhatItCannotUse) {
  const TestFiles files;
  const std::string bad = files.write("bad.txt", "one\ntwo\xFF"), empty = files.write("empty.jsonl", "\n\n"),
                    none = files.write("none.txt", "");
  const std::string text = files.write("text.jsonl", "{\"text\": \"x\"}\n"), ids = files.write("ids.jsonl", "{\"input_ids\": [1, 2]}\n");
  const std::string mixed = files.write("mixed.jsonl", "{\"text\": \"\"}\n{\"input_ids\": [1]}\n"),
                    long_row = files.write("long.jsonl", "\n{\"input_ids\": [1,2,3,4,5]}\n");
  const std::string high = files.write("high.jsonl", "{\"input_ids\": [1, 301]}\n"),
                    label = files.write("label.jsonl", "{\"input_ids\": [1], \"labels\": [400]}\n");
  EXPECT_EQ(error_of({bad}), bad + ":2: invalid UTF-8 at byte 7");
  EXPECT_EQ(error_of({empty, none}), "data.paths: no document in " + empty + " and 1 other files");
  EXPECT_EQ(error_of({text, ids}), ids + " has rows of input_ids and " + text + " rows of text: keep the two in separate runs");
  EXPECT_EQ(error_of({mixed}, byte_encoder(), {.seq_length = 4}),
            mixed + ":2: a row of input_ids after rows of text: keep the two in separate runs");
  EXPECT_EQ(
      error_of({long_row}),
      long_row +
          ":2: column 24: \"input_ids\" has more than 4 values, which is train.seq_length: cut the row or set train.seq_length higher");
  EXPECT_EQ(error_of({high}), high + ":1: input_ids[1] = 301, but the vocabulary has 301 ids");
  EXPECT_EQ(error_of({label}), label + ":1: labels[0] = 400, but the vocabulary has 301 ids");
  EXPECT_EQ(error_of({text}, Encoder{}), text + ":1: text needs a tokenizer: name one with --tokenizer DIR (rows of input_ids do not)");
  EXPECT_EQ(error_of({ids}, Encoder{}), "no error");
  EXPECT_EQ(error_of({files.folder()}), "data.paths: " + files.folder() + " is not a regular file");
}

TEST(Corpus, GivesADocumentsTextBack) {
  const TestFiles files;
  const Corpus corpus =
      Corpus::read({files.write("a.jsonl", "{\"text\": \"a\"}\n{\"text\": \"\\u00e9\"}\n"), files.write("b.txt", "plain")},
                   {.seq_length = 4, .threads = 1}, byte_encoder());
  EXPECT_EQ(corpus.text(corpus.blocks[0], corpus.blocks[0].documents.at(1)), "\xC3\xA9");
  EXPECT_EQ(corpus.text(corpus.blocks[1], corpus.blocks[1].documents.at(0)), "plain");
}

TEST(Measure, CountsTheBytesThatIdsStandFor) {
  const Encoder encoder = byte_encoder();
  EXPECT_EQ(bytes_of_prefix("aqubqu", 0, encoder), 0u);
  EXPECT_EQ(bytes_of_prefix("aqubqu", 1, encoder), 1u);
  EXPECT_EQ(bytes_of_prefix("aqubqu", 2, encoder), 3u);
  EXPECT_EQ(bytes_of_prefix("aqubqu", 4, encoder), 6u);
  EXPECT_EQ(bytes_of_prefix("x\xE2\x82\xACy", 2, encoder), 2u);  // one character of three ids: each gets a third of its bytes
  EXPECT_EQ(bytes_of_prefix("x\xE2\x82\xACy", 5, encoder), 5u);
}

TEST(Measure, CountsFromTheEndOfALongTextWithoutReadingItAll) {
  std::string text(100000, 'b');
  for (size_t i = 0; i + 1 < text.size(); i += 5) text.replace(i, 2, "qu");
  Encoder encoder = byte_encoder();
  size_t longest = 0;
  encoder.encode = [&, encode = encoder.encode](std::string_view piece, std::vector<int32_t>& ids) {
    longest = std::max(longest, piece.size());
    encode(piece, ids);
  };
  EXPECT_EQ(bytes_of_prefix(text, 5, encoder), 7u);  // qu b b b qu
  EXPECT_EQ(bytes_of_suffix(text, 4, encoder), 5u);
  EXPECT_EQ(bytes_of_suffix(text, 0, encoder), 0u);
  EXPECT_LT(longest, 10000u);
  EXPECT_EQ(bytes_of_suffix("aqu", 1, encoder), 2u);
  EXPECT_EQ(bytes_of_suffix("aqu", 2, encoder), 3u);
}

TEST(Measure, FindsTheEntropyOfTargets) {
  StreamRows rows;
  rows.stream.append(std::vector<int32_t>{7, 1, 1, 2, 3});
  rows.seq_length = 4;
  const Targets targets = measure_targets(rows, 4);
  EXPECT_EQ(targets.count, 4u);
  EXPECT_NEAR(targets.unigram_entropy, 1.5 * 0.69314718056, 1e-10);  // halves and quarters: 1.5 bits
}
}  // namespace
}  // namespace corral::data
