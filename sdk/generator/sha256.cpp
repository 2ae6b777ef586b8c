#include "sha256.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace corral {
namespace {

// The standard's constants: the first 32 bits of the fractions of the first primes' square roots (state) and cube roots (rounds).
struct Constants {
  std::array<uint32_t, 8> state{};
  std::array<uint32_t, 64> rounds{};
  Constants() {
    for (int n = 0, candidate = 2; n < 64; ++candidate) {
      bool prime = true;
      for (int d = 2; d * d <= candidate; ++d) prime = prime && candidate % d != 0;
      if (!prime) continue;
      if (n < 8) state[n] = fraction(std::sqrt(static_cast<long double>(candidate)));
      rounds[n++] = fraction(std::cbrt(static_cast<long double>(candidate)));
    }
  }
  static uint32_t fraction(long double root) { return static_cast<uint32_t>((root - std::floor(root)) * 4294967296.0L); }
};

void block(std::array<uint32_t, 8>& state, const std::array<uint32_t, 64>& k, const unsigned char* data) {
  std::array<uint32_t, 64> w{};
  for (int i = 0; i < 16; ++i)
    w[i] = uint32_t{data[4 * i]} << 24 | uint32_t{data[4 * i + 1]} << 16 | uint32_t{data[4 * i + 2]} << 8 | data[4 * i + 3];
  for (int i = 16; i < 64; ++i) {
    const uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
    const uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (int i = 0; i < 64; ++i) {
    const uint32_t t1 = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w[i];
    const uint32_t t2 = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  const std::array<uint32_t, 8> add{a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; ++i) state[i] += add[i];
}

}  // namespace

std::string sha256(std::string_view bytes) {
  static const Constants constants;
  std::array<uint32_t, 8> state = constants.state;
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t at = 0;
  for (; bytes.size() - at >= 64; at += 64) block(state, constants.rounds, data + at);
  std::string tail(bytes.substr(at));
  tail += '\x80';
  tail.resize(tail.size() <= 56 ? 56 : 120, '\0');
  for (int shift = 56; shift >= 0; shift -= 8) tail += static_cast<char>(uint64_t{bytes.size()} * 8 >> shift & 0xff);
  for (size_t i = 0; i < tail.size(); i += 64) block(state, constants.rounds, reinterpret_cast<const unsigned char*>(tail.data()) + i);
  std::string out;
  for (const uint32_t word : state)
    for (int shift = 28; shift >= 0; shift -= 4) out += "0123456789abcdef"[word >> shift & 15];
  return out;
}

}  // namespace corral
