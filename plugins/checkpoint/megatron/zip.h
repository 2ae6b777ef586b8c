// Zip archives as torch.save writes them: uncompressed records; an archive is a whole file or an item of one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/checkpoint/common/file.h"

namespace corral::megatron {

// Sizes of an archive's fixed parts, without names and extra fields: before each record, per directory entry, at the end.
constexpr uint64_t kZipHeader = 30, kZipEntry = 46, kZipEnd = 22;

// The bytes of an archive. `read` throws if a range passes their end.
struct Bytes {
  uint64_t size = 0;
  std::function<void(uint64_t offset, void* to, uint64_t size)> read;
  std::string where;  // for messages

  static Bytes of(const safetensors::File& file, uint64_t offset, uint64_t size, std::string where);
  static Bytes of(std::string_view memory, std::string where);
};

struct ZipRecord {
  std::string name;               // without the archive's root folder
  uint64_t offset = 0, size = 0;  // of its content, relative to the archive
  uint32_t crc = 0;
};

// Throws Error (2) if this is not such an archive: compressed or encrypted records, sizes that disagree, overlapping records.
std::vector<ZipRecord> read_zip(const Bytes& archive);
// Null if there is no such record.
const ZipRecord* find_record(const std::vector<ZipRecord>& records, std::string_view name);
// Reads a small record and compares its checksum. Throws Error (2) if it is larger than `largest`.
std::string read_record(const Bytes& archive, const ZipRecord& record, uint64_t largest);

// Assigns offsets to the records of an archive to be written. All sizes are below 4 GiB.
class ZipLayout {
 public:
  // Returns the record's number.
  size_t add(std::string_view name, uint64_t size);
  const ZipRecord& record(size_t number) const { return records_[number]; }
  void set_crc(size_t number, uint32_t crc) { records_[number].crc = crc; }
  // The size of the whole archive.
  uint64_t size() const;
  // The offset and bytes of the header before the record's content.
  std::pair<uint64_t, std::string> head(size_t number) const;
  // The offset and bytes of the directory after the last record.
  std::pair<uint64_t, std::string> tail() const;

 private:
  std::string name(size_t number) const { return "archive/" + records_[number].name; }
  std::vector<ZipRecord> records_;
  std::vector<uint64_t> headers_;
  uint64_t end_ = 0, names_ = 0;
};

// A complete archive of small records, given by name and content.
std::string archive_of(const std::vector<std::pair<std::string, std::string>>& records);

uint32_t crc_of(const void* data, uint64_t size);
// The checksum of `size` zeros, in logarithmic time.
uint32_t crc_of_zeros(uint64_t size);
// The share of a piece in the checksum of its whole, where `after` bytes follow the piece. The xor of all shares is the whole's checksum.
uint32_t crc_share(uint32_t crc, uint64_t after);

}  // namespace corral::megatron
