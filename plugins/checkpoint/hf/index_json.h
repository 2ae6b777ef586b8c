// model.safetensors.index.json: maps each tensor to the file that contains it.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace corral::safetensors {

constexpr char kIndexName[] = "model.safetensors.index.json";

// Maps tensor names to plain file names that end in .safetensors. `path` is for messages; throws Error (2).
std::map<std::string, std::string> parse_index(std::string_view json, const std::string& path);
std::string make_index(const std::map<std::string, std::string>& files, uint64_t total_size);

// True for a file name without a path, so that the file is in the folder.
bool is_plain_name(std::string_view name);

}  // namespace corral::safetensors
