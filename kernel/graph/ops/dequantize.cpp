#include "kernel/graph/block_scale.h"
#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// The values that the codes of quantize represent: y = codes (1 / scale); codes scales; codes (scales amax / 2688), by the roles of
// quantize.

std::vector<TensorType> shape(const ShapeCall& op) {
  const Shape& codes = op["codes"];
  const std::string& role = op.text("role");
  const bool four_bits = op.dtype("codes") == DType::F4_E2M1;
  op.require(op.dtype("codes") != DType::F8_E8M0 && four_bits == (role == "nv"), "codes", "has not the type of its role");
  if (role == "tensor") {
    op.require(op["scale"] == Shape{1}, "scale", "needs shape [1]");
    return {{DType::F32, codes}};
  }
  const Shape& scales = op["scales"];
  Shape expected = codes;
  op.require(!codes.empty() && !scales.empty(), "codes", "needs at least one axis, as scales does");
  const auto block = static_cast<int64_t>(role == "mx" ? kPowerBlock : kTile);
  op.require(codes.back() == scales.back() * block, "codes", "its last axis is not one block for each of scales");
  expected.back() = scales.back();
  op.require(scales == expected, "scales", "needs the leading axes of codes");
  op.require(op.dtype("scales") == (role == "mx" ? DType::F8_E8M0 : DType::F8_E4M3), "scales", "has not the type of its role");
  if (role == "nv") op.require(op["amax"] == Shape{1}, "amax", "needs shape [1]");
  return {{DType::F32, codes}};
}

void reference(const RefCall& op) {
  const auto codes = op.in("codes");
  const auto y = op.out("y");
  const std::string& role = op.text("role");
  for (size_t i = 0; i < y.size(); ++i) {
    double scale = 0;
    if (role == "tensor")
      scale = 1 / static_cast<float>(op.in("scale")[0]);
    else if (role == "mx")
      scale = op.in("scales")[i / kPowerBlock];
    else
      scale = static_cast<float>(op.in("scales")[i / kTile]) * static_cast<float>(op.in("amax")[0]) * (1.0f / 2688);
    y[i] = codes[i] * scale;
  }
}

Attrs by(const char* role) { return {{"role", attribute(std::string(role))}}; }
}  // namespace

extern const OpDef dequantize;
const OpDef dequantize{
    .name = "dequantize",
    .axes = {{"tensor", "codes: ..., scale: one -> y: ..."},
             {"mx", "codes: ... k*32, scales: ... k -> y: ... k*32"},
             {"nv", "codes: ... k*16, scales: ... k, amax: one -> y: ... k*16"}},
    .attrs = {{"role", AttrKind::kText}},
    .types = {{"scale", DType::F32}, {"amax", DType::F32}},
    .classes = {{"codes", TypeClass::kLow}, {"scales", TypeClass::kLow}},
    .shape = shape,
    .reference = reference,
    .cases = {{{{"codes", {2, 3, 8}}, {"scale", {1}}},
               by("tensor"),
               {{"codes", {-448, 448}}, {"scale", {100, 900}}},
               {},
               {{"codes", DType::F8_E4M3}}},
              {{{"codes", {1100}}, {"scale", {1}}},
               by("tensor"),
               {{"codes", {-60000, 60000}}, {"scale", {100, 900}}},
               {},
               {{"codes", DType::F8_E5M2}}},
              {{{"codes", {3, 64}}, {"scales", {3, 2}}},
               by("mx"),
               {{"codes", {-448, 448}}, {"scales", {0.01, 100}}},
               {},
               {{"codes", DType::F8_E4M3}, {"scales", DType::F8_E8M0}}},
              {{{"codes", {2, 3, 1056}}, {"scales", {2, 3, 33}}},
               by("mx"),
               {{"codes", {-448, 448}}, {"scales", {0.01, 100}}},
               {},
               {{"codes", DType::F8_E4M3}, {"scales", DType::F8_E8M0}}},
              {{{"codes", {5, 80}}, {"scales", {5, 5}}, {"amax", {1}}},
               by("nv"),
               {{"codes", {-6, 6}}, {"scales", {1, 448}}, {"amax", {1, 2}}},
               {},
               {{"codes", DType::F4_E2M1}, {"scales", DType::F8_E4M3}}}},
};
}  // namespace corral::graph
