// The configuration of a Llama as Megatron has it: {"model": {...}} of Megatron Bridge, {"args": {...}} of Megatron-LM.
#pragma once

#include <string>
#include <string_view>

#include "plugins/model/common/config_json.h"

namespace corral::llama {

// Throws Error (2) naming the key where it is missing, of the wrong type, or asks for what these models do not have.
LlamaConfig read_megatron_config(std::string_view json);

// As Megatron Bridge's GPTModelProvider.
std::string write_megatron_config(const LlamaConfig& config);

}  // namespace corral::llama
