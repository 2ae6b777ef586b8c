// model.safetensors.index.json: any bytes are refused with a message, or name only files of the index's own folder.
#include <cstdint>
#include <string>

#include "corral/error.h"
#include "plugins/checkpoint/hf/index_json.h"
#include "tests/fuzz/claims.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace corral::safetensors;
  try {
    const auto files = parse_index({reinterpret_cast<const char*>(data), size}, "f");
    require(!files.empty());
    for (const auto& [tensor, file] : files) require(is_plain_name(file) && file.find('/') == file.npos);
    require(parse_index(make_index(files, size), "f") == files);
  } catch (const corral::Error& error) {
    require(error.exit_code() == 2 && std::string(error.what()).starts_with("f: "));
  }
  return 0;
}
