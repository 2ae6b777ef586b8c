#include "plugins/dataset/indexed/token_type.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iomanip>
#include <sstream>
#include <type_traits>

namespace corral::indexed {
namespace {
static_assert(std::endian::native == std::endian::little, "pairs are little-endian and read without conversion");

constexpr uint32_t kSmallVocabulary = 65500;  // below this, Megatron's tools store two bytes per token

// The token as an id, or -1 if it is outside [0, limit). A fraction is cut off here and found later.
template <class T>
int32_t narrow(T token, uint32_t limit) {
  if constexpr (sizeof(T) <= 4 && std::is_integral_v<T>) return static_cast<int32_t>(token);
  return token >= T{0} && token < static_cast<T>(limit) ? static_cast<int32_t>(token) : -1;
}

template <class T>
T at(const char* from, size_t i) {
  T token;
  std::memcpy(&token, from + i * sizeof(T), sizeof(T));
  return token;
}

template <class T>
size_t read(const char* from, size_t count, uint32_t limit, int32_t* to) {
  constexpr size_t kAtOnce = 1024;  // small enough to be in the cache for the second pass
  for (size_t done = 0; done < count; done += kAtOnce) {
    const size_t end = std::min(count, done + kAtOnce);
    uint32_t largest = 0;
    bool whole = true;
    for (size_t i = done; i < end; ++i) {
      const T token = at<T>(from, i);
      to[i] = narrow(token, limit);
      largest = std::max(largest, static_cast<uint32_t>(to[i]));  // a negative value becomes larger than any id
      if constexpr (std::is_floating_point_v<T>) whole &= static_cast<T>(to[i]) == token;
    }
    if (largest < limit && whole) continue;
    for (size_t i = done; i < end; ++i)
      if (static_cast<uint32_t>(to[i]) >= limit || static_cast<T>(to[i]) != at<T>(from, i)) return i;
  }
  return count;
}

template <class T>
std::string text(const char* token) {
  std::ostringstream out;
  out << std::setprecision(17) << +at<T>(token, 0);
  return out.str();
}

template <class T>
void write(const int32_t* from, size_t count, char* to) {
  for (size_t i = 0; i < count; ++i) {
    const T token = static_cast<T>(from[i]);
    std::memcpy(to + i * sizeof(T), &token, sizeof(T));
  }
}

template <class T>
constexpr TokenType type(uint8_t code, const char* name) {
  return {code, name, sizeof(T), read<T>, text<T>, write<T>};
}

constexpr TokenType kTypes[] = {type<uint8_t>(1, "uint8"), type<int8_t>(2, "int8"),    type<int16_t>(3, "int16"),
                                type<int32_t>(4, "int32"), type<int64_t>(5, "int64"),  type<double>(6, "float64"),
                                type<float>(7, "float32"), type<uint16_t>(8, "uint16")};
}  // namespace

const TokenType* find_token_type(uint8_t code) {
  const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TokenType& t) { return t.code == code; });
  return found == std::end(kTypes) ? nullptr : found;
}

const TokenType& token_type_for(uint32_t num_ids) { return *find_token_type(num_ids > 0 && num_ids < kSmallVocabulary ? 8 : 4); }

}  // namespace corral::indexed
