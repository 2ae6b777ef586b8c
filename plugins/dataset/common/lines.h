// Splits a file into blocks of lines, which threads read independently.
#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace corral::data {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// "file:line" of a byte offset, for messages.
inline std::string line_place(const std::string& file, std::string_view bytes, size_t at) {
  return file + ":" + std::to_string(1 + std::count(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(at), '\n'));
}

inline size_t line_start_from(std::string_view bytes, size_t at) {
  if (at == 0) return 0;
  const size_t newline = bytes.find('\n', at - 1);
  return newline == std::string_view::npos ? bytes.size() : newline + 1;
}

inline size_t blocks_of(std::string_view bytes, size_t block_bytes) { return bytes.size() / block_bytes + 1; }

// Calls each(line, at) for the lines that begin in block `number`; skips blank lines and the byte order mark.
template <class F>
void for_each_line(std::string_view bytes, size_t number, size_t block_bytes, F each) {
  size_t at = line_start_from(bytes, number * block_bytes);
  const size_t end = number + 1 == blocks_of(bytes, block_bytes) ? bytes.size() : line_start_from(bytes, (number + 1) * block_bytes);
  if (at == 0 && bytes.starts_with(kByteOrderMark)) at = kByteOrderMark.size();
  while (at < end) {
    const size_t newline = std::min(bytes.find('\n', at), bytes.size());
    const std::string_view line = bytes.substr(at, newline - at);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) each(line, at);
    at = newline + 1;
  }
}

}  // namespace corral::data
