// adapter_config.json as peft reads and writes it.
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

// Throws Error (2) naming the key where it is missing, of the wrong type, or asks for what these adapters do not have. "" in `peft_type`:
// it is another method's, named there.
AdapterConfig read_adapter_config(std::string_view bytes, std::string& other_method);

std::string write_adapter_config(const AdapterConfig& config);

}  // namespace corral::lowrank
