#include "plugins/dataset/indexed/pair_data.h"

#include <algorithm>
#include <cmath>

#include "plugins/dataset/indexed/test_pair.h"

namespace corral::indexed {
namespace {
using data::message_of;
using Ids = std::vector<int32_t>;

// `count` documents of two tokens; both tokens of document d are first + d.
TestPair numbered(int32_t count, int32_t first = 0) {
  std::vector<TestDocument> documents;
  for (int32_t d = 0; d < count; ++d) documents.push_back({{first + d, first + d}});
  return test_pair(documents);
}

PairDataOptions options(const std::vector<std::string>& paths, const std::string& split = "1") {
  return {.paths = paths, .split = split, .shuffle = false, .rows = {.seq_length = 1}};
}

Ids tokens_of(const PairData& data, size_t part, uint64_t first, uint64_t rows, uint64_t length = 1) {
  Ids tokens(rows * length), targets = tokens, positions = tokens, first_key = tokens;
  data.fetch(part, first, rows, {tokens.data(), targets.data(), positions.data(), first_key.data()});
  return tokens;
}

TEST(PairData, DividesDocumentsAsMegatronDoes) {
  const data::TestFiles files;
  const std::string pair = write_pair(files, "a", numbered(250));
  // numpy's round() of 250 times the sums of the shares: 245, 247.5 -> 248, 250.
  const PairData data(options({pair}, "98,1,1"));
  EXPECT_EQ(data.parts()[0].documents, 245u);
  EXPECT_EQ(data.parts()[1].documents, 3u);
  EXPECT_EQ(data.parts()[2].documents, 2u);
  EXPECT_EQ(tokens_of(data, 0, 0, 1), Ids{0});
  EXPECT_EQ(tokens_of(data, 1, 0, 5), (Ids{245, 245, 246, 246, 247}));
  EXPECT_EQ(tokens_of(data, 2, 0, 2), (Ids{248, 248}));
  EXPECT_EQ(data.notices()[0], "1 pair, 250 documents, 500 tokens");
}

TEST(PairData, DividesEachPairForItself) {
  const data::TestFiles files;
  const PairData data(options({write_pair(files, "a", numbered(10)), write_pair(files, "b", numbered(10, 100))}, "50,50"));
  EXPECT_EQ(tokens_of(data, 1, 0, 19), (Ids{5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 105, 105, 106, 106, 107, 107, 108, 108, 109}));
}

TEST(PairData, TakesPartsFromPairsOfTheirOwn) {
  const data::TestFiles files;
  PairDataOptions o = options({});
  o.paths_of_part[0] = {"0.5", write_pair(files, "a", numbered(10)), "0.5", write_pair(files, "b", numbered(10, 100))};
  o.paths_of_part[1] = {write_pair(files, "c", numbered(3, 1000))};
  const PairData data(o);
  EXPECT_EQ(tokens_of(data, 1, 0, 2), (Ids{1000, 1000}));
  int from_b = 0;
  for (const int32_t id : tokens_of(data, 0, 0, 100)) from_b += id >= 100;
  EXPECT_EQ(from_b, 50);
  EXPECT_EQ(data.parts()[2].rows, 0u);

  o.paths = {o.paths_of_part[1][0]};
  EXPECT_EQ(message_of([&] { PairData{o}; }), "data.paths and data.train_paths: name pairs for all parts together, or for each part");
  o.paths.clear();
  o.paths_of_part[0].clear();
  EXPECT_EQ(message_of([&] { PairData{o}; }), "data.train_paths is empty: if parts have their own pairs, training needs one");
  o.paths_of_part[0] = {files.folder() + "/none"};
  EXPECT_TRUE(message_of([&] { PairData{o}; }).starts_with("data.train_paths: no such pair")) << message_of([&] { PairData{o}; });
}

TEST(PairData, MixesSourcesByTheirWeightsInAnOrderThatIsFoundAnywhere) {
  const data::TestFiles files;
  PairDataOptions o = options({"0.25", write_pair(files, "a", numbered(30)), "0.75", write_pair(files, "b", numbered(30, 100))});
  o.shuffle = true;
  o.seed = 5;
  const PairData data(o);
  const Ids all = tokens_of(data, 0, 0, 400);
  EXPECT_EQ(std::count_if(all.begin(), all.end(), [](int32_t id) { return id < 100; }), 100);
  EXPECT_EQ(tokens_of(data, 0, 123, 50), Ids(all.begin() + 123, all.begin() + 173));
  EXPECT_EQ(tokens_of(PairData(o), 0, 0, 400), all);
  o.seed = 6;
  EXPECT_NE(tokens_of(PairData(o), 0, 0, 400), all);
}

TEST(PairData, AsAWholeIsOnePartWithItsTailAndNothingAfter) {
  const data::TestFiles files;
  PairDataOptions o = options({"2", write_pair(files, "a", test_pair({{{1, 2, 3}}})), "1", write_pair(files, "b", test_pair({{{4, 4}}}))});
  o.whole = o.rows.keep_tail = true;
  o.rows.seq_length = 3;
  const PairData data(o);
  ASSERT_EQ(data.parts().size(), 1u);
  EXPECT_EQ(data.parts()[0].rows, 2u);
  EXPECT_EQ(data.parts()[0].targets, 4u);
  EXPECT_NEAR(data.parts()[0].unigram_entropy, 1.5 * std::log(2.0), 1e-12);  // 2, 3, 4, 4
  Ids tokens(9), targets(9), positions(9), first_key(9);
  data.fetch(0, 0, 3, {tokens.data(), targets.data(), positions.data(), first_key.data()});
  EXPECT_EQ(tokens, (Ids{1, 2, 3, 4, 4, 0, 0, 0, 0}));
  EXPECT_EQ(targets, (Ids{2, 3, 4, 4, -1, -1, -1, -1, -1}));
}

TEST(PairData, RefusesATrainingPartShorterThanOneSequenceAndLeavesOutOthers) {
  const data::TestFiles files;
  PairDataOptions o = options({write_pair(files, "a", numbered(10))}, "9,1");
  o.rows.seq_length = 4;
  const PairData data(o);
  EXPECT_EQ(data.parts()[1].rows, 0u);
  ASSERT_EQ(data.notices().size(), 2u);
  EXPECT_EQ(data.notices()[1], "validation: 1 documents with 2 tokens do not fill one row of train.seq_length + 1 = 5: left out");
  o.rows.seq_length = 18;
  EXPECT_EQ(message_of([&] { PairData{o}; }),
            "data.paths: the train part is shorter than one sequence: train: 9 documents with 18 tokens do not fill one row of "
            "train.seq_length + 1 "
            "= 19: left out; give more text or a smaller train.seq_length");
  EXPECT_EQ(message_of([&] { tokens_of(data, 1, 0, 1, 4); }), "the validation part of the data has no rows");
  o.paths.clear();
  EXPECT_EQ(message_of([&] { PairData{o}; }), "data.paths is empty: name a pair by the prefix of its PREFIX.idx and PREFIX.bin");
}
}  // namespace
}  // namespace corral::indexed
