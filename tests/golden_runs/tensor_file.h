// For tests: reads a safetensors file into doubles. Follows the format's published description and uses no code of Corral.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

struct FileTensor {
  std::string dtype;
  std::vector<int64_t> shape;
  std::vector<double> values;
};

inline double element(const std::string& dtype, const char* at) {
  const auto read = [at](auto value) {
    std::memcpy(&value, at, sizeof value);
    return value;
  };
  if (dtype == "F32") return static_cast<double>(read(float{}));
  if (dtype == "BF16") return static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(read(uint16_t{})) << 16));
  if (dtype == "I32") return read(int32_t{});
  if (dtype == "I64") return static_cast<double>(read(int64_t{}));
  if (dtype == "BOOL" || dtype == "U8") return read(uint8_t{});
  throw std::runtime_error("tensor file: type " + dtype);
}

inline std::map<std::string, FileTensor> read_tensor_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  uint64_t header_size = 0;
  if (bytes.size() < sizeof header_size) throw std::runtime_error("cannot read " + path);
  std::memcpy(&header_size, bytes.data(), sizeof header_size);
  std::map<std::string, FileTensor> tensors;
  const nlohmann::json header = nlohmann::json::parse(bytes.substr(8, header_size));
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    FileTensor& t = tensors[name];
    t.dtype = entry["dtype"];
    t.shape = entry["shape"].get<std::vector<int64_t>>();
    const uint64_t begin = entry["data_offsets"][0], end = entry["data_offsets"][1];
    uint64_t count = 1;
    for (const int64_t d : t.shape) count *= static_cast<uint64_t>(d);
    for (uint64_t i = 0; i < count; ++i)
      t.values.push_back(element(t.dtype, bytes.data() + 8 + header_size + begin + i * ((end - begin) / count)));
  }
  return tensors;
}
