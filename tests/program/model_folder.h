// For tests: reads and writes tensors of safetensors files as bytes. Follows the format's published description and uses no code of Corral.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

// All tensors of a folder by name: type and shape as JSON, then the bytes.
inline std::map<std::string, std::string> raw_tensors(const std::filesystem::path& folder) {
  std::map<std::string, std::string> tensors;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".safetensors") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    uint64_t size = 0;
    std::memcpy(&size, bytes.data(), sizeof size);
    const nlohmann::json header = nlohmann::json::parse(bytes.substr(8, size));
    for (const auto& [name, t] : header.items())
      if (name != "__metadata__")
        tensors[name] = t["dtype"].dump() + t["shape"].dump() +
                        bytes.substr(8 + size + t["data_offsets"][0].get<size_t>(),
                                     t["data_offsets"][1].get<size_t>() - t["data_offsets"][0].get<size_t>());
  }
  return tensors;
}

// Writes tensors, each as raw_tensors gives it, into one file.
inline void write_tensors(const std::filesystem::path& path, const std::map<std::string, std::string>& tensors) {
  nlohmann::json header;
  std::string data;
  for (const auto& [name, raw] : tensors) {
    const size_t type = raw.find('['), end = raw.find(']') + 1, begin = data.size();
    data += raw.substr(end);
    header[name] = {{"dtype", nlohmann::json::parse(raw.substr(0, type))},
                    {"shape", nlohmann::json::parse(raw.substr(type, end - type))},
                    {"data_offsets", {begin, data.size()}}};
  }
  const std::string text = header.dump();
  const uint64_t size = text.size();
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(&size), 8) << text << data;
}
