#include "plugins/dataset/common/split.h"

#include <gtest/gtest.h>

#include "corral/error.h"
#include "plugins/dataset/common/permutation.h"

namespace corral::data {
namespace {
std::vector<uint64_t> hashes(size_t count) {
  std::vector<uint64_t> all;
  for (size_t i = 0; i < count; ++i) all.push_back(mix(i));
  return all;
}

std::array<int, 3> counts(size_t documents, const std::string& split) {
  const Splitter splitter(hashes(documents), parse_split(split));
  std::array<int, 3> n{};
  for (const uint64_t hash : hashes(documents)) ++n[static_cast<size_t>(splitter.part(hash))];
  return n;
}

std::string error_of(const std::string& split) {
  try {
    parse_split(split);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Split, GivesEachPartItsShareOfDocuments) {
  EXPECT_EQ(counts(1000, "98,1,1"), (std::array<int, 3>{980, 10, 10}));
  EXPECT_EQ(counts(10009, "9999,8,2"), (std::array<int, 3>{9999, 8, 2}));
  EXPECT_EQ(counts(50, "1"), (std::array<int, 3>{50, 0, 0}));
  EXPECT_EQ(counts(50, "0.9, 0.1"), (std::array<int, 3>{45, 5, 0}));
  EXPECT_EQ(counts(50, "0,0,1"), (std::array<int, 3>{0, 0, 50}));
}

TEST(Split, GivesTrainingTheOnlyDocument) { EXPECT_EQ(counts(1, "1,50,50"), (std::array<int, 3>{1, 0, 0})); }

TEST(Split, KeepsEqualDocumentsInOnePart) {
  std::vector<uint64_t> twice = hashes(100);
  for (const uint64_t hash : hashes(100)) twice.push_back(hash);
  const Splitter splitter(twice, parse_split("50,50"));
  int train = 0;
  for (const uint64_t hash : twice) train += splitter.part(hash) == 0;
  EXPECT_EQ(train, 100);
}

TEST(Split, DoesNotDependOnTheOrderOfDocuments) {
  std::vector<uint64_t> reversed = hashes(500);
  std::reverse(reversed.begin(), reversed.end());
  const Splitter a(hashes(500), parse_split("7,2,1")), b(reversed, parse_split("7,2,1"));
  for (const uint64_t hash : hashes(500)) EXPECT_EQ(a.part(hash), b.part(hash));
}

TEST(Split, RefusesWhatIsNoSplit) {
  const std::string tail = "; expected up to three shares for training, validation and test, such as 98,1,1";
  EXPECT_EQ(error_of("98;2"), "data.split = \"98;2\": expected ',' after share 1" + tail);
  EXPECT_EQ(error_of("98,x"), "data.split = \"98,x\": share 2 is not a number" + tail);
  EXPECT_EQ(error_of("1,-1"), "data.split = \"1,-1\": share 2 is negative or not finite" + tail);
  EXPECT_EQ(error_of("inf"), "data.split = \"inf\": share 1 is negative or not finite" + tail);
  EXPECT_EQ(error_of("1,1,1,1"), "data.split = \"1,1,1,1\": more than three shares" + tail);
  EXPECT_EQ(error_of("0,0"), "data.split = \"0,0\": all shares are 0" + tail);
  EXPECT_EQ(error_of(""), "data.split = \"\": share 1 is not a number" + tail);
}
}  // namespace
}  // namespace corral::data
