#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "corral/error.h"
#include "corral/wire.h"
#include "plugins/tracker/tensorboard/crc32c.h"
#include "plugins/tracker/tensorboard/event_file.h"

namespace corral::tensorboard {
namespace {
namespace fs = std::filesystem;

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("corral-events-" + std::to_string(::getpid()))) { fs::create_directories(path_); }
  ~Folder() { fs::remove_all(path_); }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

std::string bytes_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

uint64_t little_endian(std::string_view bytes) {
  uint64_t number = 0;
  for (size_t i = bytes.size(); i-- > 0;) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

// Computes CRC-32C bit by bit from its definition, independent of the code under test.
uint32_t slow_masked_crc(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFFu;
  for (const unsigned char byte : bytes)
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (((crc ^ byte >> bit) & 1) ? 0x82F63B78u : 0);
  return std::rotr(~crc, 15) + 0xA282EAD8u;
}

std::vector<std::string> records_of(std::string_view file) {
  std::vector<std::string> records;
  while (!file.empty()) {
    const uint64_t size = little_endian(file.substr(0, 8));
    EXPECT_EQ(little_endian(file.substr(8, 4)), slow_masked_crc(file.substr(0, 8)));
    EXPECT_EQ(little_endian(file.substr(12 + size, 4)), slow_masked_crc(file.substr(12, size)));
    records.emplace_back(file.substr(12, size));
    file.remove_prefix(16 + size);
  }
  return records;
}

struct Event {
  double wall_time = 0;
  int64_t step = 0;
  std::string version;
  std::map<std::string, float> scalars;
};

Event parse(const std::string& record) {
  Event event;
  for (protozero::pbf_reader in(record); in.next();) switch (in.tag()) {
      case 1:
        event.wall_time = in.get_double();
        break;
      case 2:
        event.step = in.get_int64();
        break;
      case 3:
        event.version = in.get_string();
        break;
      case 5:
        for (protozero::pbf_reader summary = in.get_message(); summary.next(1);) {
          std::string tag;
          for (protozero::pbf_reader value = summary.get_message(); value.next();) switch (value.tag()) {
              case 1:
                tag = value.get_string();
                break;
              case 2:
                event.scalars[tag] = value.get_float();
                break;
              default:
                value.skip();
            }
        }
        break;
      default:
        in.skip();
    }
  return event;
}

TEST(Crc32c, GivesThePublishedCheckValues) {
  EXPECT_EQ(crc32c("123456789", 9), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0').data(), 32), 0x8A9136AAu);  // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\xFF').data(), 32), 0x62A8AB43u);
}

TEST(EventFile, HoldsEveryScalarWithItsStepAndSoundChecksums) {
  const Folder folder;
  EventFile file(folder.path(), 1700000000.5);
  file.scalars(1700000001.25, 10, {{"loss", 2.5}, {"lr", 3e-4}, {"grad_norm", 0.75}, {"tokens_per_second", 1234.5}});
  file.scalars(1700000002.25, 20, {{"eval_loss", 2.25}});
  const std::vector<std::string> records = records_of(bytes_of(file.path()));  // complete before the file is closed
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(parse(records[0]).version, "brain.Event:2");
  EXPECT_EQ(parse(records[1]).step, 10);
  EXPECT_EQ(parse(records[1]).wall_time, 1700000001.25);
  EXPECT_EQ(parse(records[1]).scalars,
            (std::map<std::string, float>{{"loss", 2.5f}, {"lr", 3e-4f}, {"grad_norm", 0.75f}, {"tokens_per_second", 1234.5f}}));
  EXPECT_EQ(parse(records[2]).step, 20);
  EXPECT_EQ(parse(records[2]).scalars, (std::map<std::string, float>{{"eval_loss", 2.25f}}));
}

TEST(EventFile, IsNamedSoThatTensorboardFindsItAndNeverTwice) {
  const Folder folder;
  const EventFile a(folder.path(), 1700000000), b(folder.path(), 1700000000);
  EXPECT_TRUE(fs::path(a.path()).filename().string().starts_with("events.out.tfevents.1700000000."));
  EXPECT_NE(a.path(), b.path());
}

TEST(EventFile, SaysWhereItCannotBeCreated) {
  try {
    EventFile file("/nowhere/at/all", 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 3);
    EXPECT_TRUE(std::string(error.what()).starts_with("cannot create /nowhere/at/all/events.out.tfevents.1.")) << error.what();
  }
}
}  // namespace
}  // namespace corral::tensorboard
