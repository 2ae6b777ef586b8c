#include "plugins/dataset/indexed/index.h"

#include <random>

#include "plugins/dataset/indexed/pair.h"
#include "plugins/dataset/indexed/test_pair.h"

namespace corral::indexed {
namespace {
using data::message_of;

constexpr size_t kHeader = 34;

std::string error_of(const TestPair& pair) {
  return message_of([&] { Index(pair.index, pair.tokens.size(), "p"); });
}

// Three sequences of 2, 0 and 3 tokens; the last two are one document.
const TestPair kPair = test_pair({{{1, 2}}, {{}, {3, 4, 5}}});

template <class T>
TestPair with(size_t at, T value) {
  TestPair pair = kPair;
  std::memcpy(pair.index.data() + at, &value, sizeof value);
  return pair;
}

TEST(PairIndex, HasTheLayoutOfMegatronCore) {
  // The bytes that numpy writes: name, version, type, counts, lengths, pointers, first sequences of documents and their end.
  const std::string expected(
      "MMIDIDX\0\0"
      "\1\0\0\0\0\0\0\0"
      "\x8"
      "\3\0\0\0\0\0\0\0"
      "\3\0\0\0\0\0\0\0"
      "\2\0\0\0\0\0\0\0\3\0\0\0"
      "\0\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0"
      "\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0",
      94);
  EXPECT_EQ(kPair.index, expected);
  EXPECT_EQ(kPair.tokens, std::string("\1\0\2\0\3\0\4\0\5\0", 10));
}

TEST(PairIndex, FindsEveryTokenAmongSequencesOfAnyLength) {
  std::mt19937 random(3);
  std::vector<TestDocument> documents;
  for (int d = 0; d < 90; ++d) {
    TestDocument document(1 + random() % 3);
    for (auto& sequence : document) sequence.resize(random() % 3 == 0 ? 0 : random() % 9, 7);
    documents.push_back(document);
  }
  const TestPair pair = test_pair(documents);
  const Index index(pair.index, pair.tokens.size(), "p");
  uint64_t token = 0, sequence = 0;
  for (size_t d = 0; d < documents.size(); ++d) {
    EXPECT_EQ(index.first_sequence(d), sequence);
    for (size_t s = 0; s < documents[d].size(); ++s, ++sequence) {
      EXPECT_EQ(index.begins_document(sequence), s == 0);
      EXPECT_EQ(index.tokens_before(sequence), token);
      for (size_t i = 0; i < documents[d][s].size(); ++i, ++token) {
        const Index::Place place = index.find(token);
        ASSERT_EQ(place.sequence, sequence);
        ASSERT_EQ(place.offset, i);
      }
    }
  }
  EXPECT_EQ(index.tokens(), token);
  EXPECT_EQ(index.sequences(), sequence);
  EXPECT_EQ(index.tokens_before(sequence), token);
}

TEST(PairIndex, RefusesOneThatIsCutOffAnywhere) {
  for (size_t size = 0; size < kPair.index.size(); ++size) {
    TestPair cut = kPair;
    cut.index.resize(size);
    EXPECT_TRUE(error_of(cut).starts_with("p.idx: ")) << size << " " << error_of(cut);
  }
  EXPECT_EQ(error_of(kPair), "no error");
}

TEST(PairIndex, RefusesTokensThatAreCutOffOrOfAnotherPair) {
  TestPair other = kPair;
  other.tokens.pop_back();
  EXPECT_EQ(
      error_of(other),
      "p.idx: sequence 2, 3 tokens of uint16 from byte 4 on, is beyond the end of p.bin, which has 9 bytes: that file is cut off or of "
      "another index");
  other.tokens += "xyz";
  EXPECT_EQ(error_of(other), "p.bin: has 12 bytes, but p.idx describes only the first 10: the two files are not of the same pair");
}

TEST(PairIndex, RefusesEveryLieByName) {
  constexpr size_t kLengths = kHeader, kPointers = kLengths + 12, kDocuments = kPointers + 24;
  EXPECT_EQ(error_of(with(0, 'm')), "p.idx: is not an index: it does not begin with MMIDIDX");
  EXPECT_EQ(error_of(with<uint64_t>(9, 2)), "p.idx: is of version 2; only 1 is known");
  EXPECT_EQ(error_of(with<uint8_t>(17, 9)), "p.idx: its tokens are of type 9; known are 1 (uint8) to 8 (uint16)");
  for (const uint64_t count : {uint64_t{4}, uint64_t{1} << 40, uint64_t{1} << 62, ~uint64_t{0}}) {
    EXPECT_NE(error_of(with(18, count)).find("do not fit its 94 bytes"), std::string::npos) << error_of(with(18, count));
    EXPECT_NE(error_of(with(26, count)).find("do not fit its 94 bytes"), std::string::npos) << error_of(with(26, count));
  }
  EXPECT_EQ(error_of(with<uint64_t>(18, 1)),
            "p.idx: 24 bytes follow after its 1 sequences and 2 documents: expected none, or a mode per sequence");
  EXPECT_EQ(error_of(with<uint64_t>(26, 0)), "p.idx: its list of documents has no entry, but must have one more than there are documents");
  EXPECT_EQ(error_of(with<int32_t>(kLengths + 4, -1)), "p.idx: sequence 1 has -1 tokens: expected 0 or more, so this index is damaged");
  for (const int64_t pointer : {int64_t{-2}, int64_t{6}, INT64_MIN, INT64_MAX})
    EXPECT_NE(error_of(with(kPointers + 16, pointer)).find("is beyond the end of p.bin"), std::string::npos) << pointer;
  EXPECT_NE(error_of(with<int32_t>(kLengths + 8, INT32_MAX)).find("is beyond the end of p.bin"), std::string::npos);
  EXPECT_EQ(error_of(with<int64_t>(kDocuments, 1)), "p.idx: its first document begins at sequence 1, not 0");
  EXPECT_EQ(error_of(with<int64_t>(kDocuments + 8, 4)), "p.idx: document 2 begins at sequence 3, and the one before it at 4");
  EXPECT_EQ(error_of(with<int64_t>(kDocuments + 8, -4)), "p.idx: document 1 begins at sequence -4, and the one before it at 0");
  EXPECT_EQ(error_of(with<int64_t>(kDocuments + 16, 2)), "p.idx: its documents end at sequence 2, but it has 3");
  TestPair longer = kPair;
  longer.index += "12";
  EXPECT_EQ(error_of(longer), "p.idx: 2 bytes follow after its 3 sequences and 2 documents: expected none, or a mode per sequence");
}

TEST(PairIndex, TakesModesOfTextOnly) {
  TestPair modes = kPair;
  modes.index += std::string("\0\0\0", 3);
  EXPECT_EQ(error_of(modes), "no error");
  modes.index.back() = 1;
  EXPECT_EQ(error_of(modes), "p.idx: sequence 2 has the mode 1: only text, mode 0, can be read");
}

TEST(PairNames, ArePrefixesFilesFoldersAndPatterns) {
  const data::TestFiles files;
  const std::string a = write_pair(files, "a_document", kPair), b = write_pair(files, "b_document", kPair);
  files.write("notes.txt", "");
  const auto named = [](const std::vector<std::string>& words) {
    std::vector<std::string> all;
    for (const data::Source& source : data::parse_paths(words, pair_words("data.paths")))
      all.insert(all.end(), source.files.begin(), source.files.end());
    return all;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(named({a}), Names{a});
  EXPECT_EQ(named({a + ".idx", b + ".bin"}), (Names{a, b}));
  EXPECT_EQ(named({files.folder()}), (Names{a, b}));
  EXPECT_EQ(named({files.folder() + "/*_document"}), (Names{a, b}));
  EXPECT_EQ(named({files.folder() + "/*.idx"}), (Names{a, b}));
  EXPECT_EQ(named({"0.3 " + a + " 0.7 " + b}), (Names{a, b}));
  EXPECT_EQ(message_of([&] { named({files.folder() + "/a_documents"}); }),
            "data.paths: no such pair: " + a + "s.idx, " + a + "s.bin\n       did you mean \"" + a + "\"?");
  std::filesystem::remove(a + ".bin");
  std::filesystem::remove(b + ".idx");
  EXPECT_EQ(message_of([&] { named({a}); }), "data.paths: " + a + ".idx exists, but not " + a + ".bin with its tokens");
  EXPECT_EQ(message_of([&] { named({b}); }),
            "data.paths: " + b + ".bin exists, but not its index " + b + ".idx: writing the pair did not finish");
  EXPECT_EQ(
      message_of([&] { named({files.folder() + "/notes.txt"}); }),
      "data.paths: " + files.folder() +
          "/notes.txt is not an indexed pair (.idx and .bin): read it with --dataset text, or make a pair of it with `corral data build`");
}
}  // namespace
}  // namespace corral::indexed
