// Reads and writes peft's adapter_config.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace corral::lowrank {

struct AdapterConfig {
  int64_t r = 0;
  double lora_alpha = 0, lora_dropout = 0;
  std::vector<std::string> target_modules, modules_to_save;
  bool use_rslora = false, use_dora = false;
  std::string base_model_name_or_path;
};

// Throws Error (2) naming the key that is missing, of the wrong type, or asks for something that these adapters do not have. If the file is
// for another method, `other_method` receives its name, and the result is empty.
AdapterConfig read_adapter_config(std::string_view bytes, std::string& other_method);

std::string write_adapter_config(const AdapterConfig& config);

}  // namespace corral::lowrank
