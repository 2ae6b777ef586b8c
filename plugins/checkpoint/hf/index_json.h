// model.safetensors.index.json: which file of a folder holds which tensor.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace corral::safetensors {

constexpr char kIndexName[] = "model.safetensors.index.json";

// tensor -> file. A file is a plain name that ends in .safetensors. `path` is for messages; throws Error (2).
std::map<std::string, std::string> parse_index(std::string_view json, const std::string& path);
std::string make_index(const std::map<std::string, std::string>& files, uint64_t total_size);

// A name with which no path leaves its folder.
bool is_plain_name(std::string_view name);

}  // namespace corral::safetensors
