// safetensors: any bytes are refused with a message, or contain every byte of every tensor, and the header can be written and read again.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "corral/error.h"
#include "plugins/checkpoint/common/element_type.h"
#include "plugins/checkpoint/common/header_json.h"
#include "plugins/checkpoint/common/safetensors_header.h"
#include "tests/fuzz/claims.h"

namespace {
using namespace corral::safetensors;

void read_whole(const char* file, size_t size) {
  const uint64_t length = header_length({file, size < 8 ? size : 8}, size, "f");
  const SafetensorsHeader header = parse_header({file + 8, static_cast<size_t>(length)}, size, "f");
  uint64_t data = 0;
  unsigned sum = 0;
  for (const StoredTensor& t : header.tensors) {
    uint64_t bytes = 0;
    require(byte_size(*t.type, t.shape, bytes) && t.end - t.begin == bytes);
    for (uint64_t i = t.begin; i < t.end; ++i) sum += static_cast<unsigned char>(file[header.data_start + i]);
    data += bytes;
  }
  volatile unsigned used = sum;
  (void)used;
  require(data == size - header.data_start);

  SafetensorsHeader again = header;
  const std::string head = make_header(again);
  const SafetensorsHeader back = parse_header(std::string_view(head).substr(8), head.size() + data, "f");
  require(back.tensors.size() == header.tensors.size());
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy in an allocation of exactly its size: AddressSanitizer sees a read of the next byte.
  const std::unique_ptr<char[]> file(new char[size]);
  for (size_t i = 0; i < size; ++i) file[i] = static_cast<char>(data[i]);
  try {
    read_whole(file.get(), size);
  } catch (const corral::Error& error) {
    require(error.exit_code() == 2 && std::string_view(error.what()).starts_with("f: "));
  }
  return 0;
}
