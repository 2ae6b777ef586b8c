// Random numbers that depend on nothing but their key: the same for every layout, thread count and order.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

namespace corral::runtime {

// The finalizer of splitmix64.
inline uint64_t mix(uint64_t z) {
  z += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// FNV-1a, mixed with the seed.
inline uint64_t key_of(uint64_t seed, std::string_view name) {
  uint64_t h = 0xcbf29ce484222325u;
  for (char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return mix(mix(seed) ^ h);
}

// Uniform in [0, 1), 53 bits.
inline double uniform(uint64_t key, uint64_t index) { return static_cast<double>(mix(key ^ mix(index)) >> 11) * 0x1p-53; }

// Standard normal, by Box and Muller.
inline double normal(uint64_t key, uint64_t index) {
  const double u = 1 - uniform(key, 2 * index), v = uniform(key, 2 * index + 1);
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

}  // namespace corral::runtime
