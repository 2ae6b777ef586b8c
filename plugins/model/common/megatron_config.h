// The configuration of a Llama in Megatron's form: {"model": {...}} of Megatron Bridge, {"args": {...}} of Megatron-LM.
#pragma once

#include <string>
#include <string_view>

#include "plugins/model/common/config_json.h"

namespace corral::llama {

// Throws Error (2) naming the key that is missing, of the wrong type, or asks for something that these models do not have.
LlamaConfig read_megatron_config(std::string_view json);

// Writes the section of Megatron Bridge's GPTModelProvider.
std::string write_megatron_config(const LlamaConfig& config);

}  // namespace corral::llama
