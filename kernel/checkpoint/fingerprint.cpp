#include "kernel/checkpoint/fingerprint.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "corral/error.h"
#include "kernel/checkpoint/element.h"
#include "kernel/checkpoint/hash128.h"

namespace corral::checkpoint {
namespace {
using nlohmann::ordered_json;

std::string hash(TensorSource& tensors, size_t number, std::vector<char>& buffer) {
  constexpr uint64_t kPiece = 16 << 20;
  const TensorInfo& t = tensors.tensors()[number];
  Hash128 hash;
  const std::string head = std::string(dtype_name(t.dtype)) + " " + shape_text(t.shape);
  hash.update(head.data(), head.size());
  const uint64_t size = static_cast<uint64_t>(element_count(t.shape)) * element_bytes(t.dtype);
  for (uint64_t at = 0; at < size; at += kPiece) {
    buffer.resize(std::min(kPiece, size - at));
    tensors.read(number, at, buffer.data(), buffer.size());
    hash.update(buffer.data(), buffer.size());
  }
  return hash.hex();
}

std::map<std::string, std::string> hashes(TensorSource& tensors) {
  std::map<std::string, std::string> all;
  std::vector<char> buffer;
  for (size_t i = 0; i < tensors.tensors().size(); ++i) all.emplace(tensors.tensors()[i].name, hash(tensors, i, buffer));
  return all;
}

}  // namespace

std::string fingerprint(const std::string& path, TensorSource& tensors) {
  ordered_json json;
  json["base"] = path;
  json["tensors"] = hashes(tensors);
  return json.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

void check_fingerprint(const std::string& content, TensorSource& tensors, const std::string& adapter, const std::string& path) {
  std::map<std::string, std::string> expected;
  std::string base;
  try {
    const ordered_json json = ordered_json::parse(content);
    base = json.at("base").get<std::string>();
    expected = json.at("tensors").get<std::map<std::string, std::string>>();
  } catch (const ordered_json::exception& e) {
    fail("{}/{} is damaged: {}", adapter, kFingerprintName, e.what());
  }
  const std::map<std::string, std::string> found = hashes(tensors);
  std::string first;
  size_t differing = 0;
  for (const auto& [name, value] : expected) {
    const auto at = found.find(name);
    if (at != found.end() && at->second == value) continue;
    if (differing++ == 0) first = name + (at == found.end() ? " is missing" : " differs");
  }
  for (const auto& [name, value] : found)
    if (!expected.contains(name) && differing++ == 0) first = name + " is new";
  if (differing)
    fail("{} was trained for another model than {}: tensor {}; {} of {} tensors differ\n       it belongs to {}", adapter, path, first,
         differing, expected.size(), base);
}

}  // namespace corral::checkpoint
