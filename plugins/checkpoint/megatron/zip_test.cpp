#include "plugins/checkpoint/megatron/zip.h"

#include <gtest/gtest.h>

#include <cstring>

#include "corral/error.h"

namespace corral::megatron {
namespace {

std::string verdict(const std::string& bytes) {
  try {
    const Bytes all = Bytes::of(bytes, "here");
    for (const ZipRecord& r : read_zip(all)) read_record(all, r, 1 << 20);
    return "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), 2);
    return e.what();
  }
}

testing::AssertionResult says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos ? testing::AssertionSuccess() : testing::AssertionFailure() << text;
}

const std::string kGood = archive_of({{"data.pkl", "first"}, {"data/0", std::string(1000, 'x')}, {"version", "3\n"}});

// The offset of directory entry n, and of the end.
size_t entry(size_t n) {
  size_t at = std::string::npos;
  for (size_t i = 0; i <= n; ++i) at = kGood.find("PK\1\2", i == 0 ? 0 : at + 1);
  return at;
}
size_t end() { return kGood.size() - 22; }

std::string with(size_t at, uint64_t value, int bytes) {
  std::string changed = kGood;
  for (int i = 0; i < bytes; ++i) changed[at + static_cast<size_t>(i)] = static_cast<char>(value >> 8 * i);
  return changed;
}

TEST(Zip, GivesBackWhatWasWrittenAtAlignedPlaces) {
  const Bytes all = Bytes::of(kGood, "here");
  const std::vector<ZipRecord> records = read_zip(all);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(read_record(all, *find_record(records, "data.pkl"), 100), "first");
  EXPECT_EQ(read_record(all, *find_record(records, "data/0"), 1000), std::string(1000, 'x'));
  for (const ZipRecord& r : records) EXPECT_EQ(r.offset % 64, 0u) << r.name;
  EXPECT_EQ(find_record(records, "data/1"), nullptr);
  EXPECT_THROW(read_record(all, *find_record(records, "data/0"), 999), Error);
}

TEST(Zip, ChecksumsOfPiecesInAnyOrderMakeThatOfTheWhole) {
  std::string text(10000, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 + i / 251);
  uint32_t crc = 0;
  for (const auto& [begin, last] : {std::pair<size_t, size_t>{9000, 10000}, {0, 1}, {5000, 9000}, {1, 5000}})
    crc ^= crc_share(crc_of(text.data() + begin, last - begin), text.size() - last);
  EXPECT_EQ(crc, crc_of(text.data(), text.size()));
}

TEST(Zip, RefusesAnyCut) {
  for (size_t n = 0; n < kGood.size(); n += 7) EXPECT_NE(verdict(kGood.substr(0, n)), "accepted") << n;
  EXPECT_TRUE(says(verdict(kGood + "x"), "its last bytes are not the end of a directory"));
}

TEST(Zip, RefusesAFlippedByteOfAnyContent) {
  const Bytes all = Bytes::of(kGood, "here");
  for (const ZipRecord& r : read_zip(all)) {
    std::string flipped = kGood;
    flipped[r.offset] ^= 1;
    EXPECT_TRUE(says(verdict(flipped), "does not have its checksum")) << r.name;
  }
}

TEST(Zip, RefusesLiesOfTheDirectory) {
  const size_t e = entry(1);
  EXPECT_TRUE(says(verdict(with(e + 10, 8, 2)), "is compressed"));
  EXPECT_TRUE(says(verdict(with(e + 8, 1, 2)), "is encrypted"));
  EXPECT_TRUE(says(verdict(with(e + 24, 2000, 4)), "but 2000 uncompressed"));
  EXPECT_TRUE(says(verdict(with(e + 42, 0xfffffff0, 4)), "begins after the records"));
  EXPECT_TRUE(says(verdict(with(e + 42, 0, 4)), "has another name in its header"));
  EXPECT_TRUE(says(verdict(with(e + 42, 3, 4)), "has no header"));
  EXPECT_TRUE(says(verdict(with(e + 28, 60000, 2)), "passes its directory"));
  EXPECT_TRUE(says(verdict(with(e + 20, 0xffffffff, 4)), "has no zip64 field"));
  EXPECT_TRUE(says(verdict(with(end() + 10, 2, 2)), "more than one disk"));
  EXPECT_TRUE(says(verdict(with(end() + 8, 0x00020002, 4)), "more than its 2 entries"));
  EXPECT_TRUE(says(verdict(with(end() + 16, 5, 4)), "its directory is not where its end says"));
  EXPECT_TRUE(says(verdict(with(end() + 20, 1, 2)), "not the end of a directory"));
}

TEST(Zip, RefusesRecordsThatAreThereTwiceOrOverlap) {
  EXPECT_TRUE(says(verdict(archive_of({{"a", "1"}, {"a", "2"}})), "appears twice"));
  // The second entry names a header inside the first entry's content.
  const std::string inner = archive_of({{"b", "hidden"}});
  std::string outer = archive_of({{"a", inner}, {"b", "shown"}});
  const size_t header = outer.find("PK\3\4", 10), second = outer.rfind("PK\1\2");
  const uint32_t at = static_cast<uint32_t>(header), size = 6;
  const uint32_t crc = crc_of("hidden", 6);
  std::memcpy(outer.data() + second + 42, &at, 4);
  std::memcpy(outer.data() + second + 16, &crc, 4);
  std::memcpy(outer.data() + second + 20, &size, 4);
  std::memcpy(outer.data() + second + 24, &size, 4);
  EXPECT_TRUE(says(verdict(outer), "overlap"));
}

// A zip64 end with a wrong locator, size or count.
TEST(Zip, RefusesLiesOfZip64) {
  const auto with_zip64 = [](uint64_t where, uint64_t offset, uint64_t size, uint64_t entries) {
    const std::string head = kGood.substr(0, end()), tail = kGood.substr(end());
    std::string large(56, '\0'), locator(20, '\0');
    const auto put = [](std::string& to, size_t at, uint64_t value, size_t bytes) { std::memcpy(to.data() + at, &value, bytes); };
    std::memcpy(large.data(), "PK\6\6", 4);
    put(large, 4, 44, 8);
    put(large, 24, entries, 8);
    put(large, 32, entries, 8);
    put(large, 40, size, 8);
    put(large, 48, offset, 8);
    std::memcpy(locator.data(), "PK\6\7", 4);
    put(locator, 8, where, 8);
    put(locator, 16, 1, 4);
    return head + large + locator + tail;
  };
  const uint64_t offset = entry(0), size = end() - entry(0);
  EXPECT_EQ(verdict(with_zip64(end(), offset, size, 3)), "accepted");
  EXPECT_TRUE(says(verdict(with_zip64(0, offset, size, 3)), "not where its locator says"));
  EXPECT_TRUE(says(verdict(with_zip64(UINT64_MAX, offset, size, 3)), "not where its locator says"));
  EXPECT_TRUE(says(verdict(with_zip64(end(), offset + 1, size, 3)), "its two ends disagree"));
  EXPECT_TRUE(says(verdict(with_zip64(end(), offset, UINT64_MAX, 3)), "its two ends disagree"));
  EXPECT_TRUE(says(verdict(with_zip64(end(), offset, size, 1u << 30)), "its two ends disagree"));
}

}  // namespace
}  // namespace corral::megatron
