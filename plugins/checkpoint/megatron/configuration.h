// What a Megatron folder says of its model, as one JSON object for whoever knows models: {"model": {...}} of run_config.yaml (Megatron
// Bridge), or {"args": {...}} of the common state (Megatron-LM).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace corral::megatron {

// The section `model` of a run_config.yaml. Nothing that it names as a class is made. Throws Error (2).
std::string config_of_yaml(std::string_view yaml, const std::string& where);

// The `args` of a common state, from the bytes of data.pkl; "" where it has none. Only plain values are taken.
std::string config_of_common(std::string_view pickle, const std::string& where);

// The sections of both; of one that both have, the second's.
std::string joined_configs(const std::string& first, const std::string& second);

// run_config.yaml of a checkpoint on one rank; `config` is {"model": {...}}, or "".
std::string run_config_yaml(const std::string& config, uint64_t iteration, bool with_optimizer = false);

}  // namespace corral::megatron
