// config.json: whatever the bytes, the file is refused with a sentence, or what was read can be written and is read again as the same.
#include <cstdint>
#include <string>

#include "corral/error.h"
#include "plugins/model/common/config_json.h"
#include "tests/fuzz/claims.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace corral::llama;
  try {
    LlamaConfig config = read_config_json({reinterpret_cast<const char*>(data), size});
    if (config.dtype.empty()) config.dtype = "float32";
    require(read_config_json(write_config_json(config)) == config);
  } catch (const corral::Error& error) {
    require(error.exit_code() == 2 && error.what()[0] != '\0');
  }
  return 0;
}
