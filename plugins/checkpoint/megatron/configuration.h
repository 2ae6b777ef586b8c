// The model configuration of a Megatron folder as one JSON object for the model plugins: {"model": {...}} from run_config.yaml (Megatron
// Bridge) or {"args": {...}} from the common state (Megatron-LM).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace corral::megatron {

// The sections `model` and `peft` of a run_config.yaml, and the base model that an adapter names; "" if it has no section `model`. Classes
// that it names are read as text. Throws Error (2).
std::string config_of_yaml(std::string_view yaml, const std::string& where);

// The scalar `args` of a common state, given the bytes of its data.pkl; "" if it has none.
std::string config_of_common(std::string_view pickle, const std::string& where);

// The sections of both; `second` wins if both have a section.
std::string joined_configs(const std::string& first, const std::string& second);

// The bytes of run_config.yaml for a checkpoint of one rank; `config` is {"model": {...}} or "".
std::string run_config_yaml(const std::string& config, uint64_t iteration, bool with_optimizer = false);

}  // namespace corral::megatron
