// Prints values as JSON.
#pragma once

#include <cstdio>
#include <nlohmann/json.hpp>

#include "kernel/config/schema.h"

namespace corral::cli {

inline nlohmann::ordered_json to_json(const config::Value& value) {
  return std::visit([](const auto& v) { return nlohmann::ordered_json(v); }, value);
}

// Bytes that are not valid UTF-8 are printed as U+FFFD.
inline void print_json(const nlohmann::ordered_json& json, int indent = 2) {
  std::printf("%s\n", json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

}  // namespace corral::cli
