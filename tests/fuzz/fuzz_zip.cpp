// Archives of torch.save: any bytes are refused with a message, or every record is inside them without overlap, and the records read back
// equal after they were written.
#include <string>

#include "plugins/checkpoint/megatron/torch_tensor.h"
#include "plugins/checkpoint/megatron/zip.h"
#include "tests/fuzz/claims.h"

namespace {
using namespace corral::megatron;
using Contents = std::vector<std::pair<std::string, std::string>>;

void write_and_read(const Contents& contents) {
  const std::string bytes = archive_of(contents);
  const Bytes archive = Bytes::of(bytes, "there");
  const std::vector<ZipRecord> records = read_zip(archive);
  require(records.size() == contents.size());
  for (size_t i = 0; i < records.size(); ++i) {
    const auto& [name, content] = contents[i];
    require(records[i].name == name && read_record(archive, records[i], content.size()) == content);
    const size_t half = content.size() / 2, rest = content.size() - half;
    require((crc_share(crc_of(content.data(), half), rest) ^ crc_share(crc_of(content.data() + half, rest), 0)) == records[i].crc);
  }
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Bytes archive = Bytes::of(bytes, "here");
  ends_or_is_refused([&] {
    const std::vector<ZipRecord> records = read_zip(archive);
    Contents contents;
    for (size_t i = 0; i < records.size(); ++i) {
      require(records[i].offset <= size && records[i].size <= size - records[i].offset);
      for (size_t j = 0; j < i; ++j)
        require(records[i].size == 0 || records[j].size == 0 || records[i].offset >= records[j].offset + records[j].size ||
                records[j].offset >= records[i].offset + records[i].size);
      ends_or_is_refused([&] {
        contents.emplace_back(records[i].name, read_record(archive, records[i], size));
        require(contents.back().second.size() == records[i].size);
      });
    }
    write_and_read(contents);
  });
  ends_or_is_refused([&] {
    const TorchTensor t = read_torch_tensor(archive);
    uint64_t last = t.first;
    bool empty = false;
    for (size_t i = 0; i < t.sizes.size(); ++i) {
      empty = empty || t.sizes[i] == 0;
      if (t.sizes[i] > 0) last += static_cast<uint64_t>(t.sizes[i] - 1) * static_cast<uint64_t>(t.strides[i]);
    }
    require(empty || (last + 1) * t.type->bytes <= t.storage.size);
  });
  return 0;
}
