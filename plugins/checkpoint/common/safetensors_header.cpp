#include "plugins/checkpoint/common/safetensors_header.h"

#include <algorithm>
#include <cstring>

#include "corral/error.h"
#include "plugins/checkpoint/common/header_json.h"

namespace corral::safetensors {
namespace {

// Checks that the tensors follow each other without gap or overlap and end with the file. `tensors` are sorted by offset.
void check_places(const std::vector<StoredTensor>& tensors, uint64_t data_size, const std::string& file) {
  const StoredTensor* before = nullptr;
  for (const StoredTensor& t : tensors) {
    const uint64_t filled = before ? before->end : 0;
    if (t.begin < filled)
      fail("{}: tensor {} begins at byte {} inside tensor {}", file, in_quotes(t.name), t.begin, in_quotes(before->name));
    if (t.begin > filled) fail("{}: {} bytes before tensor {} belong to no tensor", file, t.begin - filled, in_quotes(t.name));
    if (t.end > data_size)
      fail("{}: tensor {} ends at byte {} of the data, but the file has only {} of them: it is cut off, copy it again", file,
           in_quotes(t.name), t.end, data_size);
    before = &t;
  }
  const uint64_t filled = before ? before->end : 0;
  if (filled < data_size) fail("{}: {} bytes after the last tensor belong to no tensor", file, data_size - filled);
}

std::string json_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    constexpr char kHex[] = "0123456789abcdef";
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (u < 0x20)
      out += {'\\', 'u', '0', '0', kHex[u >> 4], kHex[u & 15]};
    else
      out += c;
  }
  return out + "\"";
}

}  // namespace

uint64_t header_length(std::string_view first_bytes, uint64_t file_size, const std::string& file) {
  if (file_size < 8 || first_bytes.size() < 8)
    fail("{}: {} bytes are not a safetensors file, which has 8 before its header", file, file_size);
  uint64_t length = 0;
  std::memcpy(&length, first_bytes.data(), 8);
  if (length > kLargestHeader) fail("{}: header length {}: expected at most {}; is this a safetensors file?", file, length, kLargestHeader);
  if (length > file_size - 8)
    fail("{}: header length {}, but the file has only {} bytes after it: it is cut off, copy it again", file, length, file_size - 8);
  return length;
}

SafetensorsHeader parse_header(std::string_view json, uint64_t file_size, const std::string& file) {
  SafetensorsHeader header;
  header.data_start = 8 + json.size();
  header.tensors = parse_header_json(json, file);
  for (const StoredTensor& t : header.tensors) {
    uint64_t bytes = 0;
    if (!byte_size(*t.type, t.shape, bytes))
      fail("{}: tensor {}: its shape has more elements than a file can hold, or not a whole number of bytes", file, in_quotes(t.name));
    if (t.begin > t.end) fail("{}: tensor {}: data_offsets [{}, {}] end before they begin", file, in_quotes(t.name), t.begin, t.end);
    if (t.end - t.begin != bytes)
      fail("{}: tensor {}: data_offsets [{}, {}] span {} bytes, but its shape takes {} in {}", file, in_quotes(t.name), t.begin, t.end,
           t.end - t.begin, bytes, t.type->name);
  }
  std::stable_sort(header.tensors.begin(), header.tensors.end(),
                   [](const StoredTensor& a, const StoredTensor& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
  check_places(header.tensors, file_size - header.data_start, file);
  return header;
}

std::string make_header(SafetensorsHeader& header) {
  // Wide types first, so that every tensor starts at a multiple of its element size.
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const StoredTensor& a, const StoredTensor& b) { return a.type != b.type ? a.type > b.type : a.name < b.name; });
  std::string json = R"({"__metadata__":{"format":"pt"})";
  uint64_t at = 0;
  for (StoredTensor& t : header.tensors) {
    uint64_t bytes = 0;
    if (!byte_size(*t.type, t.shape, bytes)) fail_bug("tensor {}: its shape fits no file", in_quotes(t.name));
    t.begin = at;
    t.end = at += bytes;
    json += "," + json_text(t.name) + ":{\"dtype\":\"" + t.type->name + "\",\"shape\":[";
    for (size_t i = 0; i < t.shape.size(); ++i) json += (i ? "," : "") + std::to_string(t.shape[i]);
    json += "],\"data_offsets\":[" + std::to_string(t.begin) + "," + std::to_string(t.end) + "]}";
  }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');
  header.data_start = 8 + json.size();
  const uint64_t length = json.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + json;
}

}  // namespace corral::safetensors
