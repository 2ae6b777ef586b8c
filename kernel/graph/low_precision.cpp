#include "kernel/graph/low_precision.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "corral/error.h"

namespace corral::graph {
namespace {

// A format of sign, exponent and fraction. Below 2^lowest the steps are those above it.
struct Format {
  DType dtype;
  int bits, fraction, lowest;
  double largest;
};
// OCP 8-bit Floating Point Specification 1.0; OCP Microscaling Formats 1.0
constexpr Format kFormats[] = {{DType::F8_E4M3, 8, 3, -6, 448}, {DType::F8_E5M2, 8, 2, -14, 57344}, {DType::F4_E2M1, 4, 1, 0, 6}};
constexpr int kPowerBias = 127, kPowerNan = 255;  // F8_E8M0

const Format& format_of(DType dtype) {
  for (const Format& f : kFormats)
    if (f.dtype == dtype) return f;
  fail_bug("type {} is not a format of eight or four bits", static_cast<int>(dtype));
}

double nan() { return std::numeric_limits<double>::quiet_NaN(); }

}  // namespace

bool is_low_precision(DType dtype) {
  return dtype == DType::F8_E8M0 ||
         std::any_of(std::begin(kFormats), std::end(kFormats), [&](const Format& f) { return f.dtype == dtype; });
}

double largest_of(DType dtype) { return dtype == DType::F8_E8M0 ? 0x1p127 : format_of(dtype).largest; }

double round_to_low(double value, DType dtype) {
  if (dtype == DType::F8_E8M0)
    return std::isnan(value) ? value : std::exp2(std::nearbyint(std::clamp(std::log2(value), double{-kPowerBias}, double{kPowerBias})));
  const Format& f = format_of(dtype);
  if (std::isnan(value)) return dtype == DType::F4_E2M1 ? f.largest : value;
  const double size = std::min(std::fabs(value), f.largest);
  const double step = std::exp2(size == 0 ? f.lowest : std::max(std::ilogb(size), f.lowest)) / (1 << f.fraction);
  return std::copysign(std::nearbyint(size / step) * step, value);
}

uint8_t code_of(double value, DType dtype) {
  if (dtype == DType::F8_E8M0) return std::isnan(value) ? kPowerNan : static_cast<uint8_t>(std::ilogb(value) + kPowerBias);
  const Format& f = format_of(dtype);
  if (std::isnan(value)) return 0x7f;
  const double size = std::fabs(value);
  const int exponent = size == 0 ? f.lowest : std::max(std::ilogb(size), f.lowest);
  // If the fraction has a leading one, it raises the exponent by one.
  const int code = ((exponent - f.lowest) << f.fraction) + static_cast<int>(size / std::exp2(exponent) * (1 << f.fraction));
  return static_cast<uint8_t>(code | (std::signbit(value) ? 1 << (f.bits - 1) : 0));
}

double value_of(uint8_t code, DType dtype) {
  if (dtype == DType::F8_E8M0) return code == kPowerNan ? nan() : std::exp2(code - kPowerBias);
  const Format& f = format_of(dtype);
  const int size = code & ((1 << (f.bits - 1)) - 1), exponent = size >> f.fraction, fraction = size & ((1 << f.fraction) - 1);
  const double one = exponent == 0 ? 0 : 1;
  double value = std::exp2(std::max(exponent, 1) - 1 + f.lowest) * (one + static_cast<double>(fraction) / (1 << f.fraction));
  // Codes beyond the largest value mean infinity and NaN.
  if (value > f.largest) value = dtype == DType::F8_E5M2 && fraction == 0 ? std::numeric_limits<double>::infinity() : nan();
  return code >> (f.bits - 1) & 1 ? -value : value;
}

}  // namespace corral::graph
