// Zip archives as torch.save writes them: uncompressed records, one archive a file or an item of a file.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/checkpoint/common/file.h"

namespace corral::megatron {

// Bytes of an archive's fixed parts, names and extra fields left out: before each record, in the directory, after it.
constexpr uint64_t kZipHeader = 30, kZipEntry = 46, kZipEnd = 22;

// Bytes that an archive lies in. `read` throws where they end.
struct Bytes {
  uint64_t size = 0;
  std::function<void(uint64_t offset, void* to, uint64_t size)> read;
  std::string where;  // for messages

  static Bytes of(const safetensors::File& file, uint64_t offset, uint64_t size, std::string where);
  static Bytes of(std::string_view memory, std::string where);
};

struct ZipRecord {
  std::string name;               // without the archive's own folder
  uint64_t offset = 0, size = 0;  // of its content, in the archive
  uint32_t crc = 0;
};

// Throws Error (2) at anything that is no such archive: compressed or encrypted records, sizes that disagree, records that overlap.
std::vector<ZipRecord> read_zip(const Bytes& archive);
// Null where there is none.
const ZipRecord* find_record(const std::vector<ZipRecord>& records, std::string_view name);
// The whole of a small record, its checksum compared. Throws Error (2) where it is larger than `largest`.
std::string read_record(const Bytes& archive, const ZipRecord& record, uint64_t largest);

// Places for the records of an archive to be written. All sizes are below 4 GiB.
class ZipLayout {
 public:
  // Gives the number of the record.
  size_t add(std::string_view name, uint64_t size);
  const ZipRecord& record(size_t number) const { return records_[number]; }
  void set_crc(size_t number, uint32_t crc) { records_[number].crc = crc; }
  // Of the whole archive.
  uint64_t size() const;
  // What stands before the record's content, and where.
  std::pair<uint64_t, std::string> head(size_t number) const;
  // What stands after the last record, and where.
  std::pair<uint64_t, std::string> tail() const;

 private:
  std::string name(size_t number) const { return "archive/" + records_[number].name; }
  std::vector<ZipRecord> records_;
  std::vector<uint64_t> headers_;
  uint64_t end_ = 0, names_ = 0;
};

// A whole archive of small records, by name and content.
std::string archive_of(const std::vector<std::pair<std::string, std::string>>& records);

uint32_t crc_of(const void* data, uint64_t size);
// Of so many zeros, without looking at any.
uint32_t crc_of_zeros(uint64_t size);
// What a piece with this checksum adds (by xor) to that of a whole in which `after` bytes follow it: pieces may come in any order.
uint32_t crc_share(uint32_t crc, uint64_t after);

}  // namespace corral::megatron
