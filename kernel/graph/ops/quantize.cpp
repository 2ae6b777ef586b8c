#include <algorithm>
#include <cmath>

#include "kernel/graph/block_scale.h"
#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// codes = x times a scale, to the nearest even number of the format, saturated. By role:
//   tensor  one scale, that is given: codes e4m3 or e5m2
//   mx      32 neighbours share the power of two at or above amax / max: x = codes scales. OCP Microscaling Formats 1.0, but rounded up
//   nv      16 neighbours, or 16 rows of 16 (`rows`), share an e4m3 scale of the tensor's largest number: codes e2m1.  arXiv:2509.25149
// Scales are stored for each row. A precision quantizes after autodiff has run: no gradient flows through.

constexpr std::pair<const char*, DType> kFormats[] = {{"e4m3", DType::F8_E4M3}, {"e5m2", DType::F8_E5M2}, {"e2m1", DType::F4_E2M1}};

DType format_of(const NodeCall& op) {
  for (const auto& [name, dtype] : kFormats)
    if (op.text("format") == name && (dtype == DType::F4_E2M1) == (op.text("role") == "nv")) return dtype;
  fail("{}: format = \"{}\", expected {}", op.where(), op.text("format"), op.text("role") == "nv" ? "e2m1" : "e4m3 or e5m2");
}

std::vector<TensorType> shape(const ShapeCall& op) {
  const DType codes = format_of(op);
  const Shape& x = op["x"];
  const std::string& role = op.text("role");
  if (role == "tensor") {
    op.require(op["scale"] == Shape{1}, "scale", "needs shape [1]");
    return {{codes, x}};
  }
  const auto block = static_cast<int64_t>(role == "mx" ? kPowerBlock : kTile);
  op.require(!x.empty() && x.back() % block == 0, "x",
             role == "mx" ? "its last axis needs blocks of 32" : "its last axis needs blocks of 16");
  Shape scales = x;
  scales.back() /= block;
  if (role == "mx") return {{codes, x}, {DType::F8_E8M0, scales}};
  op.require(op["amax"] == Shape{1}, "amax", "needs shape [1]");
  const int64_t rows = op.integer("rows");
  if (rows != 1 && rows != static_cast<int64_t>(kTile)) fail("{}: rows = {}, expected 1 or 16", op.where(), rows);
  op.require(x.size() >= 2 && x[x.size() - 2] % rows == 0, "x", "needs whole tiles of rows");
  return {{codes, x}, {DType::F8_E4M3, scales}};
}

void by_power(const RefCall& op, DType format) {
  const auto x = op.in("x");
  const auto codes = op.out("codes"), scales = op.out("scales");
  for (size_t block = 0; block < scales.size(); ++block) {
    const size_t from = block * kPowerBlock;
    scales[block] = power_scale(largest_in(x.subspan(from, kPowerBlock)), format);
    for (size_t i = from; i < from + kPowerBlock; ++i) codes[i] = round_to_low(x[i] / scales[block], format);
  }
}

void by_tile(const RefCall& op) {
  const auto x = op.in("x");
  const auto codes = op.out("codes"), scales = op.out("scales");
  const auto rows = static_cast<size_t>(op.integer("rows")), K = static_cast<size_t>(op.shape("x").back());
  const float whole = tensor_scale(static_cast<float>(op.in("amax")[0])), inverse = 1 / whole;
  for (size_t block = 0; block < scales.size(); ++block) {
    const size_t row = block / (K / kTile), first = row / rows * rows, column = block % (K / kTile) * kTile;
    float largest = 0;
    for (size_t r = first; r < first + rows; ++r) largest = std::max(largest, largest_in(x.subspan(r * K + column, kTile)));
    const float scale = std::min(largest * (whole * (1.0f / 6)), std::numeric_limits<float>::max());
    scales[block] = round_to_low(scale, DType::F8_E4M3);
    const float factor = std::min(1 / (static_cast<float>(scales[block]) * inverse), std::numeric_limits<float>::max());
    for (size_t i = row * K + column; i < row * K + column + kTile; ++i)
      codes[i] = round_to_low(static_cast<float>(x[i]) * factor, DType::F4_E2M1);
  }
}

void reference(const RefCall& op) {
  const DType format = format_of(op);
  if (op.text("role") == "mx") return by_power(op, format);
  if (op.text("role") == "nv") return by_tile(op);
  const auto x = op.in("x");
  const auto codes = op.out("codes");
  const auto scale = static_cast<float>(op.in("scale")[0]);
  for (size_t i = 0; i < x.size(); ++i) codes[i] = round_to_low(static_cast<float>(x[i]) * scale, format);
}

Attrs by(const char* role, const char* format, int64_t rows = 1) {
  Attrs attrs{{"role", attribute(std::string(role))}, {"format", attribute(std::string(format))}};
  if (rows != 1) attrs.push_back({"rows", attribute(rows)});
  return attrs;
}
}  // namespace

extern const OpDef quantize;
const OpDef quantize{
    .name = "quantize",
    .axes = {{"tensor", "x: ..., scale: one -> codes: ..."},
             {"mx", "x: ... k*32 -> codes: ... k*32, scales: ... k"},
             {"nv", "x: ... n*rows k*16, amax: one -> codes: ... n*rows k*16, scales: ... n*rows k"}},
    .attrs = {{"role", AttrKind::kText}, {"format", AttrKind::kText}, {"rows", AttrKind::kInteger, 1}},
    .types = {{"scale", DType::F32}, {"amax", DType::F32}},
    .classes = {{"codes", TypeClass::kLow}, {"scales", TypeClass::kLow}},
    .shape = shape,
    .reference = reference,
    .cases = {{{{"x", {2, 3, 8}}, {"scale", {1}}}, by("tensor", "e4m3"), {{"scale", {100, 900}}}},
              {{{"x", {1100}}, {"scale", {1}}}, by("tensor", "e5m2"), {{"x", {-300, 300}}, {"scale", {100, 900}}}},
              {{{"x", {5, 64}}}, by("mx", "e4m3"), {{"x", {-30, 30}}}},
              {{{"x", {2, 3, 1056}}}, by("mx", "e5m2")},
              {{{"x", {2, 3, 48}}, {"amax", {1}}}, by("nv", "e2m1"), {{"x", {-3, 3}}}, {{"amax", {3}}}},
              {{{"x", {48, 80}}, {"amax", {1}}}, by("nv", "e2m1", 16), {}, {{"amax", {1}}}}},
};
}  // namespace corral::graph
