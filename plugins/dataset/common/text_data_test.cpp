#include "plugins/dataset/common/text_data.h"

#include <algorithm>
#include <map>

#include "plugins/dataset/common/test_encoder.h"
#include "plugins/dataset/common/test_files.h"

namespace corral::data {
namespace {
using Ids = std::vector<int32_t>;

struct Batch {
  Ids tokens, targets, positions, first_key;
  bool operator==(const Batch&) const = default;
};

Batch fetch(const TextData& data, size_t part, uint64_t first, uint64_t rows, size_t length) {
  const size_t size = rows * length;
  Batch batch{Ids(size, -7), Ids(size, -7), Ids(size, -7), Ids(size, -7)};
  data.fetch(part, first, rows, {batch.tokens.data(), batch.targets.data(), batch.positions.data(), batch.first_key.data()});
  return batch;
}

std::string jsonl(int documents) {
  std::string text;
  for (int i = 0; i < documents; ++i) text += "{\"text\": \"document " + std::to_string(i) + " quite unlike others\"}\n";
  return text;
}

TextData open(const TextDataOptions& options) { return TextData(options, byte_encoder()); }

TEST(TextData, ShufflesEveryEpochAnewAndUsesEachRowOnceInEach) {
  const TestFiles files;
  const TextData data = open({.paths = {files.write("a.jsonl", jsonl(100))}, .split = "1", .seq_length = 16});
  const uint64_t rows = data.parts()[0].rows;
  ASSERT_GT(rows, 100u);
  std::vector<uint64_t> order[2];
  for (uint64_t i = 0; i < 2 * rows; ++i) order[i / rows].push_back(data.place(0, i).row);
  EXPECT_NE(order[0], order[1]);
  EXPECT_FALSE(std::ranges::is_sorted(order[0]));
  std::ranges::sort(order[0]);
  std::ranges::sort(order[1]);
  for (uint64_t i = 0; i < rows; ++i) EXPECT_EQ(order[0][i], i);
  EXPECT_EQ(order[0], order[1]);
}

TEST(TextData, ContinuesFromTheNumberOfRowsUsedAlone) {
  const TestFiles files;
  const TextDataOptions options{.paths = {files.write("a.jsonl", jsonl(40))}, .seed = 3, .seq_length = 16};
  const TextData whole = open(options);
  const uint64_t used = whole.parts()[0].rows - 5;  // the next batches cross the end of an epoch
  const Batch through = fetch(whole, 0, used, 12, 16);
  TextDataOptions again = options;
  again.threads = 4;
  EXPECT_EQ(fetch(open(again), 0, used, 12, 16), through);
  Batch parts = fetch(open(options), 0, used, 4, 16);
  const Batch rest = fetch(open(options), 0, used + 4, 8, 16);
  parts.tokens.insert(parts.tokens.end(), rest.tokens.begin(), rest.tokens.end());
  EXPECT_EQ(parts.tokens, through.tokens);
}

TEST(TextData, OrderDependsOnTheSeed) {
  const TestFiles files;
  const std::string file = files.write("a.jsonl", jsonl(40));
  EXPECT_NE(fetch(open({.paths = {file}, .split = "1", .seed = 1, .seq_length = 16}), 0, 0, 8, 16).tokens,
            fetch(open({.paths = {file}, .split = "1", .seed = 2, .seq_length = 16}), 0, 0, 8, 16).tokens);
}

TEST(TextData, KeepsFileOrderWithoutShuffle) {
  const TestFiles files;
  const std::string a = files.write("a.jsonl", "{\"text\": \"abc\"}\n{\"text\": \"de\"}\n"), b = files.write("b.txt", "fg");
  const TextData data = open({.paths = {a, b}, .split = "1", .shuffle = false, .seq_length = 4});
  ASSERT_EQ(data.parts()[0].rows, 2u);
  const Batch batch = fetch(data, 0, 0, 3, 4);
  EXPECT_EQ(batch.tokens, (Ids{'a', 'b', 'c', 300, 'd', 'e', 300, 'f', 'a', 'b', 'c', 300}));
  EXPECT_EQ(batch.targets, (Ids{'b', 'c', 300, 'd', 'e', 300, 'f', 'g', 'b', 'c', 300, 'd'}));
}

TEST(TextData, SplitsByWholeDocumentsThatNoTwoPartsShare) {
  const TestFiles files;
  const TextData data = open({.paths = {files.write("a.jsonl", jsonl(200))}, .split = "8,1,1", .shuffle = false, .seq_length = 8});
  EXPECT_EQ(data.parts()[0].documents, 160u);
  EXPECT_EQ(data.parts()[1].documents, 20u);
  EXPECT_EQ(data.parts()[2].documents, 20u);
  std::map<std::string, size_t> part_of;
  for (size_t part = 0; part < 3; ++part) {
    std::string stream;
    for (const int32_t id : fetch(data, part, 0, data.parts()[part].rows, 8).tokens)
      stream += id == 300 ? '|' : id == 256 ? 'Q' : static_cast<char>(id);
    for (size_t at = 0, end; (end = stream.find('|', at)) != std::string::npos; at = end + 1) {
      const std::string document = stream.substr(at, end - at);
      EXPECT_TRUE(document.starts_with("document ") && document.ends_with(" others")) << document;
      EXPECT_TRUE(part_of.emplace(document, part).second) << document;
    }
  }
  EXPECT_GE(part_of.size(), 195u);
}

TEST(TextData, LeavesOutAPartTooShortForARowAndSaysSo) {
  const TestFiles files;
  const TextData data = open({.paths = {files.write("a.jsonl", jsonl(60))}, .split = "98,2", .seq_length = 64});
  EXPECT_EQ(data.parts()[1].rows, 0u);
  EXPECT_EQ(data.parts()[2].rows, 0u);
  ASSERT_EQ(data.notices().size(), 2u);
  EXPECT_EQ(data.notices()[1], "validation: 1 documents with 31 tokens do not fill one row of train.seq_length + 1 = 65: left out");
}

TEST(TextData, RefusesATrainingPartShorterThanOneSequence) {
  const TestFiles files;
  const std::string file = files.write("a.txt", "short");
  EXPECT_EQ(message_of([&] { open({.paths = {file}, .seq_length = 6}); }),
            "data.paths: the train part is shorter than one sequence: train: 1 documents with 6 tokens do not fill one row of "
            "train.seq_length + 1 = 7: left out; "
            "give more text or a smaller train.seq_length");
  EXPECT_EQ(open({.paths = {file}, .seq_length = 5}).parts()[0].rows, 1u);
}

TEST(TextData, CountsBytesOfTargetsExactly) {
  const TestFiles files;
  // Stream: q(2) u? as `qu`=256, then x y EOT | a qu EOT. The first token is not a target; with rows of 2 the last EOT is left out.
  const std::string file = files.write("a.jsonl", "{\"text\": \"quxy\"}\n{\"text\": \"aqu\"}\n");
  const TextData even = open({.paths = {file}, .split = "1", .seq_length = 2});  // 7 tokens: 3 rows, 6 targets
  EXPECT_EQ(even.parts()[0].targets, 6u);
  EXPECT_EQ(even.parts()[0].bytes, 5u);                                         // x y a qu
  const TextData cut = open({.paths = {file}, .split = "1", .seq_length = 4});  // 1 row: x y EOT a
  EXPECT_EQ(cut.parts()[0].bytes, 3u);
}

TEST(TextData, AsAWholeIsOnePartWithItsTailAndNothingAfter) {
  const TestFiles files;
  const TextData data = open({.paths = {files.write("a.txt", "abcdef")}, .shuffle = true, .whole = true, .seq_length = 4});
  ASSERT_EQ(data.parts().size(), 1u);
  EXPECT_EQ(data.parts()[0].rows, 2u);
  EXPECT_EQ(data.parts()[0].targets, 6u);
  EXPECT_EQ(data.parts()[0].bytes, 5u);
  const Batch batch = fetch(data, 0, 0, 3, 4);
  EXPECT_EQ(batch.targets, (Ids{'b', 'c', 'd', 'e', 'f', 300, -1, -1, -1, -1, -1, -1}));
}

TEST(TextData, TakesRowsOfIdsInFileOrderWithoutATokenizer) {
  const TestFiles files;
  const std::string file = files.write("a.jsonl", "{\"input_ids\": [1, 2, 3]}\n{\"input_ids\": [4, 5], \"labels\": [-100, 6]}\n");
  const TextData data({.paths = {file}, .split = "1", .shuffle = false, .seq_length = 4}, Encoder{});
  EXPECT_EQ(data.parts()[0].rows, 2u);
  EXPECT_EQ(data.parts()[0].targets, 3u);
  const Batch batch = fetch(data, 0, 0, 2, 4);
  EXPECT_EQ(batch.tokens, (Ids{1, 2, 3, 0, 4, 5, 0, 0}));
  EXPECT_EQ(batch.targets, (Ids{2, 3, -1, -1, 6, -1, -1, -1}));
}

TEST(TextData, MixesSourcesByTheirWeights) {
  const TestFiles files;
  const std::string a = files.write("a.txt", std::string(1000, 'a')), b = files.write("b.txt", std::string(1000, 'b'));
  const TextData data = open({.paths = {"0.25", a, "0.75", b}, .split = "1", .seq_length = 10});
  int from_a = 0;
  for (const int32_t id : fetch(data, 0, 0, 400, 10).tokens) from_a += id == 'a';
  EXPECT_EQ(from_a, 1000);
}

TEST(TextData, RefusesResetPositionsWithoutAnEndOfText) {
  const TestFiles files;
  Encoder encoder = byte_encoder();
  encoder.end_of_text = -1;
  EXPECT_EQ(message_of([&] { TextData({.paths = {files.write("a.txt", "abc")}, .reset_positions = true, .seq_length = 1}, encoder); }),
            "data.reset_positions=true needs a tokenizer with an end-of-text token, and this one has none");
}
}  // namespace
}  // namespace corral::data
