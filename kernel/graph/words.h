// The words of a graph's text, shared by the printer and the reader.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace corral::graph {

// Indexed by the value of the enumeration.
inline constexpr std::array kDTypeWords{"none", "f32", "bf16", "f16", "f64", "i32", "i64", "u8", "bool", "e4m3", "e5m2", "e8m0", "e2m1"};
inline constexpr std::array kPhaseWords{"forward", "backward", "update"};
inline constexpr std::array kWhenWords{"", "first", "last"};
inline constexpr std::array kStateWords{"parameter", "gradient", "master", "moment", "cache", "statistic"};
inline constexpr std::array kInitWords{"zeros", "ones", "normal", "uniform", "copy"};
inline constexpr std::array kOrderWords{"contiguous", "zigzag"};
inline constexpr std::array kReductionWords{"sum", "max", "log_sum_exp"};

// A list with more numbers than this is printed once, in a line of its own.
constexpr size_t kShortList = 4;

constexpr bool begins_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
constexpr bool in_word(char c) { return begins_word(c) || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '/'; }

// True if this name needs no quotes: it cannot be read as something else.
constexpr bool is_word(std::string_view name) {
  if (name.empty() || !begins_word(name[0])) return false;
  for (const char c : name)
    if (!in_word(c)) return false;
  return name != "first" && name != "last" && name != "inf" && name != "nan";
}

}  // namespace corral::graph
