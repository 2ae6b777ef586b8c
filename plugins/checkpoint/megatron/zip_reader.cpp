#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "corral/error.h"
#include "plugins/checkpoint/common/element_type.h"
#include "plugins/checkpoint/megatron/zip.h"

namespace corral::megatron {
namespace {
using safetensors::in_quotes;
constexpr uint64_t kLocator = 20, kEnd64 = 56;
constexpr uint64_t kLargestDirectory = 64 << 20;
constexpr uint64_t kAll32 = 0xffffffff;

template <class... Values>
[[noreturn]] void wrong(const Bytes& archive, std::string_view text, const Values&... values) {
  fail("{}: this archive is damaged or not of torch: {}", archive.where, format(text, values...));
}

// A little-endian number of `size` bytes; the caller has checked that they exist.
uint64_t number(std::string_view bytes, size_t at, size_t size) {
  uint64_t value = 0;
  std::memcpy(&value, bytes.data() + at, size);
  return value;
}

std::string take(const Bytes& archive, uint64_t offset, uint64_t size) {
  if (offset > archive.size || size > archive.size - offset) wrong(archive, "bytes {} to {} of {}", offset, offset + size, archive.size);
  std::string bytes(size, '\0');
  archive.read(offset, bytes.data(), size);
  return bytes;
}

struct Directory {
  uint64_t offset = 0, size = 0, entries = 0;
};

Directory find_directory(const Bytes& archive) {
  if (archive.size < kZipEnd) wrong(archive, "{} bytes are too few", archive.size);
  const std::string end = take(archive, archive.size - kZipEnd, kZipEnd);
  if (!end.starts_with("PK\5\6") || number(end, 20, 2) != 0) wrong(archive, "its last bytes are not the end of a directory");
  if (number(end, 4, 4) != 0 || number(end, 8, 2) != number(end, 10, 2)) wrong(archive, "it has more than one disk");
  Directory d{number(end, 16, 4), number(end, 12, 4), number(end, 10, 2)};
  uint64_t after = archive.size - kZipEnd;
  if (after >= kLocator) {
    const std::string locator = take(archive, after - kLocator, kLocator);
    if (locator.starts_with("PK\6\7")) {
      const uint64_t at = number(locator, 8, 8);
      if (after - kLocator < kEnd64 || at != after - kLocator - kEnd64) wrong(archive, "the zip64 end is not where its locator says");
      const std::string large = take(archive, at, kEnd64);
      if (!large.starts_with("PK\6\6") || number(large, 4, 8) != kEnd64 - 12) wrong(archive, "its zip64 end is damaged");
      const Directory d64{number(large, 48, 8), number(large, 40, 8), number(large, 32, 8)};
      const auto agree = [](uint64_t small, uint64_t limit, uint64_t big) { return small == limit || small == big; };
      if (!agree(d.offset, kAll32, d64.offset) || !agree(d.size, kAll32, d64.size) || !agree(d.entries, 0xffff, d64.entries))
        wrong(archive, "its two ends disagree");
      d = d64;
      after = at;
    }
  }
  if (d.offset > after || d.size != after - d.offset) wrong(archive, "its directory is not where its end says");
  if (d.size > kLargestDirectory || d.entries > d.size / kZipEntry)
    wrong(archive, "its directory has {} entries in {} bytes", d.entries, d.size);
  return d;
}

// Replaces the sizes and the offset of an entry that do not fit into 32 bits.
void read_zip64(const Bytes& archive, std::string_view extra, uint64_t& size, uint64_t& packed, uint64_t& offset) {
  while (extra.size() >= 4) {
    const uint64_t id = number(extra, 0, 2), length = number(extra, 2, 2);
    if (length > extra.size() - 4) wrong(archive, "an extra field passes its entry");
    if (id == 1) {
      std::string_view field = extra.substr(4, length);
      for (uint64_t* value : {&size, &packed, &offset}) {
        if (*value != kAll32) continue;
        if (field.size() < 8) wrong(archive, "a zip64 field is too short");
        *value = number(field, 0, 8);
        field.remove_prefix(8);
      }
      return;
    }
    extra.remove_prefix(4 + length);
  }
  wrong(archive, "an entry has no zip64 field");
}

// Checks the header before the content against the directory and returns the content's offset.
uint64_t content_offset(const Bytes& archive, uint64_t header, std::string_view name, const ZipRecord& r) {
  const std::string local = take(archive, header, kZipHeader);
  const uint64_t flags = number(local, 6, 2), name_length = number(local, 26, 2), extra = number(local, 28, 2);
  if (!local.starts_with("PK\3\4") || (flags & 1) != 0 || number(local, 8, 2) != 0)
    wrong(archive, "record {} has no header of an uncompressed record", in_quotes(name));
  if (take(archive, header + kZipHeader, name_length) != name) wrong(archive, "record {} has another name in its header", in_quotes(name));
  const uint64_t crc = number(local, 14, 4), packed = number(local, 18, 4), size = number(local, 22, 4);
  // With flag 8, the header may contain zeros and the three values follow the content.
  const bool later = (flags & 8) != 0 && crc == 0 && packed == 0 && size == 0;
  if (!later && (crc != r.crc || (size != r.size && size != kAll32) || (packed != r.size && packed != kAll32)))
    wrong(archive, "record {} has another size or checksum in its header", in_quotes(name));
  return header + kZipHeader + name_length + extra;
}

}  // namespace

Bytes Bytes::of(const safetensors::File& file, uint64_t offset, uint64_t size, std::string where) {
  return {size, [&file, offset](uint64_t at, void* to, uint64_t n) { file.read(offset + at, to, n); }, std::move(where)};
}

Bytes Bytes::of(std::string_view memory, std::string where) {
  return {memory.size(), [memory](uint64_t at, void* to, uint64_t n) { std::memcpy(to, memory.data() + at, n); }, std::move(where)};
}

std::vector<ZipRecord> read_zip(const Bytes& archive) {
  const Directory d = find_directory(archive);
  const std::string entries = take(archive, d.offset, d.size);
  std::string_view rest = entries;
  std::vector<ZipRecord> records;
  std::vector<std::pair<uint64_t, uint64_t>> spans;
  std::unordered_set<std::string> seen;
  for (uint64_t i = 0; i < d.entries; ++i) {
    if (rest.size() < kZipEntry || !rest.starts_with("PK\1\2")) wrong(archive, "entry {} of its directory is damaged", i);
    const uint64_t name_length = number(rest, 28, 2), extra = number(rest, 30, 2), comment = number(rest, 32, 2);
    if (name_length + extra + comment > rest.size() - kZipEntry) wrong(archive, "entry {} passes its directory", i);
    const std::string_view name = rest.substr(kZipEntry, name_length);
    if ((number(rest, 8, 2) & 1) != 0) wrong(archive, "record {} is encrypted", in_quotes(name));
    if (number(rest, 10, 2) != 0) wrong(archive, "record {} is compressed", in_quotes(name));
    ZipRecord r;
    r.crc = static_cast<uint32_t>(number(rest, 16, 4));
    uint64_t packed = number(rest, 20, 4), header = number(rest, 42, 4);
    r.size = number(rest, 24, 4);
    if (r.size == kAll32 || packed == kAll32 || header == kAll32)
      read_zip64(archive, rest.substr(kZipEntry + name_length, extra), r.size, packed, header);
    if (packed != r.size) wrong(archive, "record {} has {} bytes, but {} uncompressed", in_quotes(name), packed, r.size);
    if (header > d.offset) wrong(archive, "record {} begins after the records", in_quotes(name));
    r.offset = content_offset(archive, header, name, r);
    if (r.offset > d.offset || r.size > d.offset - r.offset) wrong(archive, "record {} passes the records", in_quotes(name));
    const size_t slash = name.find('/');
    if (slash == std::string_view::npos) wrong(archive, "record {} is outside the archive's folder", in_quotes(name));
    r.name = name.substr(slash + 1);
    if (!seen.insert(r.name).second) wrong(archive, "record {} appears twice", in_quotes(name));
    spans.emplace_back(header, r.offset + r.size);
    records.push_back(std::move(r));
    rest.remove_prefix(kZipEntry + name_length + extra + comment);
  }
  if (!rest.empty()) wrong(archive, "its directory has more than its {} entries", d.entries);
  std::sort(spans.begin(), spans.end());
  for (size_t i = 1; i < spans.size(); ++i)
    if (spans[i].first < spans[i - 1].second) wrong(archive, "two of its records overlap");
  return records;
}

const ZipRecord* find_record(const std::vector<ZipRecord>& records, std::string_view name) {
  for (const ZipRecord& r : records)
    if (r.name == name) return &r;
  return nullptr;
}

std::string read_record(const Bytes& archive, const ZipRecord& record, uint64_t largest) {
  if (record.size > largest) wrong(archive, "record {} has {} bytes, expected at most {}", in_quotes(record.name), record.size, largest);
  std::string content = take(archive, record.offset, record.size);
  if (crc_of(content.data(), content.size()) != record.crc) wrong(archive, "record {} does not have its checksum", in_quotes(record.name));
  return content;
}

}  // namespace corral::megatron
