// config.json: any bytes are refused with a message, or give a configuration that reads back equal after it was written.
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
