// Adapters in Megatron Bridge's form: the section `peft` of run_config.yaml, and tensors beside those of their layers.
#pragma once

#include "plugins/peft/common/adapter_config.h"
#include "plugins/peft/common/adapters.h"

namespace corral::lowrank {

// Reads {"peft": {...}, "checkpoint": {"pretrained_checkpoint": ...}}. If the class is not low-rank, `other_method` receives its name.
AdapterConfig read_megatron_adapter(std::string_view json, std::string& other_method);
std::string write_megatron_adapter(const Adapters& adapters, const std::string& base);

// Maps an adapter's parameters to Megatron's tensors. `model_map` is the model's own map; `config` is that of the adapter being read, or ""
// for writing. Throws Error (2) if Megatron Bridge does not have such an adapter.
WeightMap megatron_adapter_map(const Adapters& adapters, const WeightMap& model_map, std::string_view config);

}  // namespace corral::lowrank
