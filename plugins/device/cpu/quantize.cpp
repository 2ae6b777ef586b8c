// Conversion of eight- and four-bit numbers from and to float32. kernel/graph/block_scale.h defines the scales.
#include <algorithm>
#include <limits>

#include "corral/graph.h"
#include "plugins/device/cpu/kernel.h"
#include "plugins/device/cpu/number.h"

namespace corral::cpu {
namespace {

constexpr int64_t kBlock = 1024, kPowerBlock = 32, kTile = 16;
constexpr uint32_t kInfinity = 0x7f800000u;

// A format: bits of the fraction, exponent of the smallest normal number, the largest number, the code of NaN.
template <int Bits, int Fraction, int Lowest, uint32_t LargestBits, uint32_t Nan>
struct Format {
  static constexpr uint32_t kLargest = LargestBits;

  // Rounds to nearest even and saturates at the largest number.
  static uint32_t code(float x) {
    constexpr float kMagic = static_cast<float>(1 << (23 - Fraction + Lowest));  // adding it leaves the steps in the low bits
    const auto bits = std::bit_cast<uint32_t>(x);
    const uint32_t size = bits & 0x7fffffffu, held = std::min(size, LargestBits);
    const uint32_t small = std::bit_cast<uint32_t>(std::bit_cast<float>(held) + kMagic) - std::bit_cast<uint32_t>(kMagic);
    constexpr int kDropped = 23 - Fraction;
    const uint32_t large =
        ((held + ((1u << (kDropped - 1)) - 1) + (held >> kDropped & 1)) >> kDropped) - (static_cast<uint32_t>(126 + Lowest) << Fraction);
    const uint32_t found = (held < static_cast<uint32_t>(127 + Lowest) << 23 ? small : large) | bits >> 31 << (Bits - 1);
    return size > kInfinity ? Nan : found;
  }

  static float value(uint32_t code) {
    constexpr uint32_t kSign = 1u << (Bits - 1);
    const uint32_t size = code & (kSign - 1);
    constexpr float kScale = std::bit_cast<float>(static_cast<uint32_t>(253 + Lowest) << 23);  // the exponents of float32 begin lower
    const float found = std::bit_cast<float>(size << (23 - Fraction)) * kScale;
    const uint32_t bits = std::bit_cast<uint32_t>(found) > LargestBits ? beyond(size) : std::bit_cast<uint32_t>(found);
    return std::bit_cast<float>(bits | (code & kSign) << (32 - Bits));
  }

 private:
  // Only E5M2 has infinities.
  static uint32_t beyond(uint32_t size) { return Fraction == 2 && size == 0x7c ? kInfinity : 0x7fc00000u; }
};
using E4m3 = Format<8, 3, -6, 0x43e00000u, 0x7f>;   // 448
using E5m2 = Format<8, 2, -14, 0x47600000u, 0x7f>;  // 57344
using E2m1 = Format<4, 1, 0, 0x40c00000u, 7>;       // 6

float power(uint8_t code) {
  const uint32_t bits = code == 0 ? 0x400000u : static_cast<uint32_t>(code) << 23;
  return code == 255 ? std::numeric_limits<float>::quiet_NaN() : std::bit_cast<float>(bits);
}

// The largest absolute value; NaN does not count.
float largest_in(const float* x, int64_t n) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t size = std::bit_cast<uint32_t>(x[i]) & 0x7fffffffu;
    largest = std::max(largest, size > kInfinity ? 0 : size);
  }
  return std::bit_cast<float>(largest);
}

template <class F>
void to_codes(const float* x, float scale, uint8_t* codes, int64_t n) {
  for (int64_t i = 0; i < n; ++i) codes[i] = static_cast<uint8_t>(F::code(x[i] * scale));
}

// Calls f(first element, count) for all elements of a flat tensor.
template <class F>
void blocks(const Prepared& p, F f) {
  const int64_t n = p.sizes[0];
#pragma omp parallel for schedule(static) num_threads(p.team(n))
  for (int64_t from = 0; from < n; from += kBlock) f(from, std::min(kBlock, n - from));
}

template <class Code>
void quantize_tensor(const Prepared& p, void* const* in, void* const* out, void*) {
  const float scale = *static_cast<const float*>(in[1]);
  blocks(p, [&](int64_t from, int64_t n) {
    float x[kBlock];
    load(x, in[0], p.in[0], from, n);
    to_codes<Code>(x, scale, static_cast<uint8_t*>(out[0]) + from, n);
  });
}

template <class Code>
void quantize_mx(const Prepared& p, void* const* in, void* const* out, void*) {
  const float inverse_largest = 1 / std::bit_cast<float>(Code::kLargest);
  blocks(p, [&](int64_t from, int64_t n) {
    float x[kBlock];
    load(x, in[0], p.in[0], from, n);
    for (int64_t i = 0; i < n; i += kPowerBlock) {
      // The quotient's exponent, plus one if its fraction is not zero. Below the normal numbers, 2^-127 has a code and 2^-126 the next one.
      const auto quotient = std::bit_cast<uint32_t>(largest_in(x + i, kPowerBlock) * inverse_largest);
      const uint32_t exponent = quotient >> 23, fraction = quotient & 0x7fffffu;
      const bool up = fraction > (exponent == 0 ? 0x400000u : 0) && exponent < 254;
      const uint32_t scale = std::min(exponent + up, 254u);
      static_cast<uint8_t*>(out[1])[(from + i) / kPowerBlock] = static_cast<uint8_t>(scale);
      to_codes<Code>(x + i, power(static_cast<uint8_t>(254 - scale)), static_cast<uint8_t*>(out[0]) + from + i, kPowerBlock);
    }
  });
}

void quantize_nv(const Prepared& p, void* const* in, void* const* out, void*) {
  const int64_t K = p.sizes[1], columns = K / kTile, R = p.sizes[2], tiles = p.sizes[0] / kTile / R;
  const float amax = *static_cast<const float*>(in[1]), most = std::numeric_limits<float>::max();
  const float bounded = std::min(448.0f * 6.0f / amax, most), whole = amax == 0 || bounded == 0 ? 1 : bounded, inverse = 1 / whole;
#pragma omp parallel for schedule(static) num_threads(p.team(p.sizes[0]))
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t first = tile / columns * R, column = tile % columns;
    float x[kTile][kTile], largest = 0;
    for (int64_t r = 0; r < R; ++r) {
      load(x[r], in[0], p.in[0], (first + r) * K + column * kTile, kTile);
      largest = std::max(largest, largest_in(x[r], kTile));
    }
    const uint32_t scale = E4m3::code(std::min(largest * (whole * (1.0f / 6)), most));
    const float factor = std::min(1 / (E4m3::value(scale) * inverse), most);
    for (int64_t r = 0; r < R; ++r) {
      static_cast<uint8_t*>(out[1])[(first + r) * columns + column] = static_cast<uint8_t>(scale);
      uint8_t codes[kTile];
      to_codes<E2m1>(x[r], factor, codes, kTile);
      uint8_t* to = static_cast<uint8_t*>(out[0]) + ((first + r) * K + column * kTile) / 2;
      for (int64_t i = 0; i < kTile / 2; ++i) to[i] = static_cast<uint8_t>(codes[2 * i] | codes[2 * i + 1] << 4);
    }
  }
}

template <class Code>
void from_codes(const uint8_t* codes, float scale, float* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = Code::value(codes[i]) * scale;
}

template <class Code>
void dequantize_tensor(const Prepared& p, void* const* in, void* const* out, void*) {
  const float inverse = 1 / *static_cast<const float*>(in[1]);
  blocks(p, [&](int64_t from, int64_t n) {
    float y[kBlock];
    from_codes<Code>(static_cast<const uint8_t*>(in[0]) + from, inverse, y, n);
    store(out[0], p.out[0], from, y, n, false);
  });
}

template <class Code>
void dequantize_mx(const Prepared& p, void* const* in, void* const* out, void*) {
  blocks(p, [&](int64_t from, int64_t n) {
    float y[kBlock];
    for (int64_t i = 0; i < n; i += kPowerBlock)
      from_codes<Code>(static_cast<const uint8_t*>(in[0]) + from + i, power(static_cast<const uint8_t*>(in[1])[(from + i) / kPowerBlock]),
                       y + i, kPowerBlock);
    store(out[0], p.out[0], from, y, n, false);
  });
}

void dequantize_nv(const Prepared& p, void* const* in, void* const* out, void*) {
  const float amax = *static_cast<const float*>(in[2]);
  blocks(p, [&](int64_t from, int64_t n) {
    float y[kBlock];
    for (int64_t i = 0; i < n; i += kTile) {
      const float scale = E4m3::value(static_cast<const uint8_t*>(in[1])[(from + i) / kTile]) * amax * (1.0f / 2688);
      const uint8_t* codes = static_cast<const uint8_t*>(in[0]) + (from + i) / 2;
      for (int64_t k = 0; k < kTile; ++k) y[i + k] = E2m1::value(codes[k / 2] >> (k % 2 * 4) & 15u) * scale;
    }
    store(out[0], p.out[0], from, y, n, false);
  });
}

void quantize(const NodeView& node, Prepared& p) {
  p.sizes[0] = node.in(0).elements();
  const bool e5m2 = p.out[0] == DType::F8_E5M2;
  if (node.text("role") == "tensor") {
    p.launch = e5m2 ? quantize_tensor<E5m2> : quantize_tensor<E4m3>;
  } else if (node.text("role") == "mx") {
    p.launch = e5m2 ? quantize_mx<E5m2> : quantize_mx<E4m3>;
  } else {
    p.sizes[1] = node.in(0)[-1];
    p.sizes[2] = node.integer("rows", 1);
    p.launch = quantize_nv;
  }
}

void dequantize(const NodeView& node, Prepared& p) {
  p.sizes[0] = node.in(0).elements();
  const bool e5m2 = p.in[0] == DType::F8_E5M2;
  if (node.text("role") == "tensor")
    p.launch = e5m2 ? dequantize_tensor<E5m2> : dequantize_tensor<E4m3>;
  else if (node.text("role") == "mx")
    p.launch = e5m2 ? dequantize_mx<E5m2> : dequantize_mx<E4m3>;
  else
    p.launch = dequantize_nv;
}

// sizes: repetitions, bytes of a piece, bytes between repetitions, pieces, offset of the first piece, offset of the second.
void slice(const Prepared& p, void* const* in, void* const* out, void*) {
  const int64_t piece = p.sizes[1], pieces = p.sizes[3], count = p.sizes[0] * pieces;
#pragma omp parallel for schedule(static) num_threads(p.team(count* piece / 4))
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(static_cast<char*>(out[0]) + i * piece,
                static_cast<const char*>(in[0]) + i / pieces * p.sizes[2] + p.sizes[static_cast<size_t>(4 + i % pieces)],
                static_cast<size_t>(piece));
}

void prepare_slice(const NodeView& node, Prepared& p) {
  const Operand x = node.in(0);
  const int64_t axis = node.integer("axis", 0), parts = node.integer("parts", 1), part = node.integer("part", 0);
  const int64_t pieces = node.text("order") == "zigzag" ? 2 : 1;
  int64_t outer = 1, inner = 1;
  for (int64_t i = 0; i < x.rank(); ++i) (i < axis ? outer : inner) *= x.shape()[static_cast<size_t>(i)];
  const int64_t piece = inner / (parts * pieces);
  if (p.in[0] == DType::F4_E2M1 && piece % 2 != 0) throw Unsupported("slice: a part of e2m1 numbers does not begin at a whole byte");
  p.sizes[0] = outer;
  p.sizes[1] = static_cast<int64_t>(bytes_of(p.in[0], piece));
  p.sizes[2] = p.sizes[1] * parts * pieces;
  p.sizes[3] = pieces;
  p.sizes[4] = p.sizes[1] * part;
  p.sizes[5] = p.sizes[1] * (2 * parts - 1 - part);
  p.launch = slice;
}

constexpr OpEntry kOps[] = {{"quantize", quantize, true}, {"dequantize", dequantize, true}, {"slice", prepare_slice, true}};

}  // namespace

std::span<const OpEntry> quantize_ops() { return kOps; }

}  // namespace corral::cpu
