#include "plugins/dataset/indexed/pair_rows.h"

#include <limits>
#include <random>

#include "plugins/dataset/indexed/test_pair.h"

namespace corral::indexed {
namespace {
using data::message_of;
using Ids = std::vector<int32_t>;

struct Row {
  Ids tokens, targets, positions, first_key;
  bool operator==(const Row&) const = default;
};

Row row_of(const data::Rows& rows, uint64_t row, size_t length) {
  Row r{Ids(length, -9), Ids(length, -9), Ids(length, -9), Ids(length, -9)};
  rows.fill(row, {r.tokens, r.targets, r.positions, r.first_key});
  return r;
}

constexpr int32_t kEnd = 99;

std::vector<TestDocument> some_documents(unsigned seed, int32_t largest) {
  std::mt19937 random(seed);
  std::vector<TestDocument> documents(40);
  for (TestDocument& document : documents) {
    document.resize(1 + random() % 2);
    for (Ids& sequence : document) {
      sequence.resize(random() % 12);
      for (int32_t& id : sequence) id = static_cast<int32_t>(random() % static_cast<unsigned>(largest));
    }
    document.back().push_back(kEnd);
  }
  return documents;
}

TEST(PairRows, AreTheRowsThatTheSameTokensGiveInMemoryForEveryType) {
  const data::TestFiles files;
  uint8_t code = 1;
  for (const TokenType* type; (type = find_token_type(code)); ++code) {
    const std::vector<TestDocument> first = some_documents(code, kEnd), second = some_documents(100 + code, kEnd);
    for (const bool whole : {false, true}) {
      PairRows rows({.seq_length = 7, .num_ids = 100, .end_of_text = kEnd, .reset_positions = true, .keep_tail = whole});
      rows.add(open_pair(write_pair(files, "a", test_pair(first, type->name))), 3, 40);
      rows.add(open_pair(write_pair(files, "b", test_pair(second, type->name))), 0, 25);
      data::StreamRows expected;
      expected.seq_length = 7;
      expected.end_of_text = kEnd;
      expected.reset_positions = true;
      expected.keep_tail = whole;
      for (size_t d = 3; d < 40; ++d)
        for (const Ids& sequence : first[d]) expected.stream.append(sequence);
      for (size_t d = 0; d < 25; ++d)
        for (const Ids& sequence : second[d]) expected.stream.append(sequence);
      EXPECT_EQ(rows.tokens(), expected.stream.size());
      ASSERT_EQ(rows.rows(), expected.rows());
      ASSERT_GT(rows.rows(), 50u);
      for (uint64_t row = 0; row < rows.rows(); ++row)
        ASSERT_EQ(row_of(rows, row, 7), row_of(expected, row, 7)) << type->name << " " << row;
    }
  }
  EXPECT_EQ(code, 9);
}

TEST(PairRows, KeepDocumentsApartThatNoTokenEnds) {
  const data::TestFiles files;
  PairRows rows({.seq_length = 6, .reset_positions = true, .keep_tail = true});
  rows.add(open_pair(write_pair(files, "a", test_pair({{{1, 2}}, {{}, {3}, {4}}, {{}}, {{5, 6}}}))), 0, 4);
  const Row row = row_of(rows, 0, 6);
  EXPECT_EQ(row.tokens, (Ids{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(row.positions, (Ids{0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(row.first_key, (Ids{0, 0, 2, 2, 4, 4}));
}

TEST(PairRows, FollowTheIndexWhereverTheTokensLie) {
  const data::TestFiles files;
  TestPair pair = test_pair({{{1, 2}}, {{3, 4}}});
  const int64_t pointers[] = {4, 0};
  std::memcpy(pair.index.data() + 34 + 8, pointers, sizeof pointers);
  PairRows rows({.seq_length = 3});
  rows.add(open_pair(write_pair(files, "a", pair)), 0, 2);
  const Row row = row_of(rows, 0, 3);
  EXPECT_EQ(row.tokens, (Ids{3, 4, 1}));
  EXPECT_EQ(row.targets, (Ids{4, 1, 2}));
}

// The error for a pair with this token at index 2 of its first row.
template <class T>
std::string error_with(const std::string& type, T token, uint32_t num_ids) {
  const data::TestFiles files;
  TestPair pair = test_pair({{{1, 1}}, {{1, 1, 1, 1}}}, type);
  std::memcpy(pair.tokens.data() + 3 * sizeof(T), &token, sizeof(T));
  const std::string prefix = write_pair(files, "a", pair);
  PairRows rows({.seq_length = 4, .num_ids = num_ids});
  rows.add(open_pair(prefix), 0, 2);
  std::string error = message_of([&] { row_of(rows, 0, 4); });
  return error.starts_with(prefix) ? error.substr(prefix.size()) : error;
}

TEST(PairRows, RefuseATokenThatIsNoIdAndSayWhichOne) {
  EXPECT_EQ(error_with<uint16_t>("uint16", 300, 300),
            ".bin: token 1 of sequence 1 is 300, but the vocabulary has 300 ids: it was made with another tokenizer");
  EXPECT_EQ(error_with<uint16_t>("uint16", 299, 300), "no error");
  EXPECT_EQ(error_with<int32_t>("int32", -1, 0), ".bin: token 1 of sequence 1 is -1, which is not a token id");
  EXPECT_EQ(error_with<int8_t>("int8", -128, 0), ".bin: token 1 of sequence 1 is -128, which is not a token id");
  EXPECT_EQ(error_with<int64_t>("int64", int64_t{1} << 32, 0), ".bin: token 1 of sequence 1 is 4294967296, which is not a token id");
  EXPECT_EQ(error_with<double>("float64", 2.5, 0), ".bin: token 1 of sequence 1 is 2.5, which is not a token id");
  EXPECT_EQ(error_with<double>("float64", 1e300, 0), ".bin: token 1 of sequence 1 is 1.0000000000000001e+300, which is not a token id");
  EXPECT_EQ(error_with<float>("float32", std::numeric_limits<float>::quiet_NaN(), 0),
            ".bin: token 1 of sequence 1 is nan, which is not a token id");
  EXPECT_EQ(error_with<float>("float32", 2147483648.f, 0), ".bin: token 1 of sequence 1 is 2147483648, which is not a token id");
  EXPECT_EQ(error_with<float>("float32", -0.f, 0), "no error");
}
}  // namespace
}  // namespace corral::indexed
