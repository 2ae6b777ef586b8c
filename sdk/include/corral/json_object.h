// Parses other programs' configuration files as JSON objects, within limits. For plugins that link nlohmann-json; no other header needs it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "corral/error.h"

namespace corral {

// Parses `bytes` as one object of at most 16 MiB and 32 levels. Throws Error (2) that names the file.
inline nlohmann::json parse_object(std::string_view bytes, const char* file) {
  using nlohmann::json;
  constexpr size_t kLargest = 16 << 20;
  constexpr int kDeepest = 32;
  if (bytes.size() > kLargest) fail("{}: {} bytes, expected at most {}", file, bytes.size(), kLargest);
  const auto shallow = [&](int depth, json::parse_event_t, json&) {
    if (depth > kDeepest) fail("{}: nested more than {} deep", file, kDeepest);
    return true;
  };
  try {
    json j = json::parse(bytes, shallow);
    if (!j.is_object()) fail("{}: expected one JSON object, found {}", file, j.type_name());
    return j;
  } catch (const json::exception& e) {
    fail("{}: {}", file, e.what());
  }
}

// Text of a value for an error message, at most 60 characters.
inline std::string shown(const nlohmann::json& value) {
  const std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return text.size() > 60 ? text.substr(0, 60) + "..." : text;
}

// Returns the value of a key, or nullptr if it is missing or null.
inline const nlohmann::json* find_value(const nlohmann::json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

}  // namespace corral
