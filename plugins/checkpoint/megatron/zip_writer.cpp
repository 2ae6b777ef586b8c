#include <libdeflate.h>
#include <zlib.h>

#include "corral/error.h"
#include "plugins/checkpoint/megatron/zip.h"

namespace corral::megatron {
namespace {
constexpr uint64_t kAlignment = 64;
constexpr uint64_t kExtra = 4;

class Out {
 public:
  Out& u16(uint64_t v) { return little(v, 2); }
  Out& u32(uint64_t v) { return little(v, 4); }
  Out& text(std::string_view v) {
    bytes += v;
    return *this;
  }
  std::string bytes;

 private:
  Out& little(uint64_t v, int n) {
    for (int i = 0; i < n; ++i) bytes += static_cast<char>(v >> 8 * i);
    return *this;
  }
};
}  // namespace

size_t ZipLayout::add(std::string_view name, uint64_t size) {
  if (size >> 32 != 0) fail_bug("a record of {} bytes is to be written: it takes 4 GiB at most", size);
  records_.push_back({std::string(name), 0, size, 0});
  headers_.push_back(end_);
  const uint64_t start = end_ + kZipHeader + this->name(records_.size() - 1).size() + kExtra;
  records_.back().offset = (start + kAlignment - 1) / kAlignment * kAlignment;
  end_ = records_.back().offset + size;
  names_ += this->name(records_.size() - 1).size();
  return records_.size() - 1;
}

uint64_t ZipLayout::size() const { return end_ + records_.size() * kZipEntry + names_ + kZipEnd; }

std::pair<uint64_t, std::string> ZipLayout::head(size_t number) const {
  const ZipRecord& r = records_[number];
  const uint64_t padding = r.offset - headers_[number] - kZipHeader - name(number).size() - kExtra;
  Out out;
  out.text("PK\3\4").u16(0).u16(0x0800).u16(0).u16(0).u16(0).u32(r.crc).u32(r.size).u32(r.size);
  out.u16(name(number).size()).u16(padding + kExtra).text(name(number));
  out.text("FB").u16(padding).text(std::string(padding, 'Z'));
  return {headers_[number], std::move(out.bytes)};
}

std::pair<uint64_t, std::string> ZipLayout::tail() const {
  Out out;
  for (size_t i = 0; i < records_.size(); ++i) {
    const ZipRecord& r = records_[i];
    out.text("PK\1\2").u16(0).u16(0).u16(0x0800).u16(0).u16(0).u16(0).u32(r.crc).u32(r.size).u32(r.size);
    out.u16(name(i).size()).u16(0).u16(0).u16(0).u16(0).u32(0).u32(headers_[i]).text(name(i));
  }
  const uint64_t directory = out.bytes.size();
  out.text("PK\5\6").u16(0).u16(0).u16(records_.size()).u16(records_.size()).u32(directory).u32(end_).u16(0);
  return {end_, std::move(out.bytes)};
}

std::string archive_of(const std::vector<std::pair<std::string, std::string>>& records) {
  ZipLayout layout;
  for (const auto& [name, content] : records) layout.set_crc(layout.add(name, content.size()), crc_of(content.data(), content.size()));
  std::string bytes(layout.size(), '\0');
  const auto put = [&](uint64_t at, const std::string& part) { bytes.replace(at, part.size(), part); };
  for (size_t i = 0; i < records.size(); ++i) {
    const auto [at, head] = layout.head(i);
    put(at, head);
    put(layout.record(i).offset, records[i].second);
  }
  const auto [at, tail] = layout.tail();
  put(at, tail);
  return bytes;
}

uint32_t crc_of(const void* data, uint64_t size) { return libdeflate_crc32(0, data, size); }

uint32_t crc_of_zeros(uint64_t size) { return ~crc_share(~uint32_t{0}, size); }

uint32_t crc_share(uint32_t crc, uint64_t after) { return static_cast<uint32_t>(crc32_combine(crc, 0, static_cast<z_off_t>(after))); }

}  // namespace corral::megatron
