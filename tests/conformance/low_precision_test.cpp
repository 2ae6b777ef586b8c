// Formats of eight and four bits against the vectors of tests/golden/lowp: the reference gives exactly their codes and scales, and a device
// gives those of the reference. Zeros, infinities and NaN are among them.
#include "kernel/graph/low_precision.h"

#include <gtest/gtest.h>

#include <cmath>

#include "bin/validate/device_conformance.h"
#include "kernel/graph/cases.h"
#include "tests/conformance/on_device.h"
#include "tests/golden_runs/tensor_file.h"

namespace corral {
namespace {
using graph::Case;

using Codes = std::vector<unsigned char>;
Codes codes_of(const FileTensor& t) { return Codes(t.values.begin(), t.values.end()); }

const std::map<std::string, FileTensor>& vectors() {
  static const auto all = read_tensor_file(CORRAL_SOURCE_DIR "/tests/golden/lowp/lowp.safetensors");
  return all;
}

struct Vector {
  std::string name;
  Case given;
  Codes codes, scales;  // `scales` is empty if the tensor has one scale
};

Case of(const FileTensor& x, const char* role, const char* format) {
  Case c;
  c.shapes["x"] = x.shape;
  c.values["x"] = x.values;
  c.attrs = {{"role", attribute(std::string(role))}, {"format", attribute(std::string(format))}};
  return c;
}

void add_scalar(Case& c, const char* name, double value) {
  c.shapes[name] = {1};
  c.values[name] = {value};
}

std::vector<Vector> quantized() {
  std::vector<Vector> all;
  const auto& v = vectors();
  for (const char* format : {"e4m3", "e5m2"}) {
    const std::string cast = std::string("cast.") + format;
    all.push_back({cast, of(v.at(cast + ".input"), "tensor", format), codes_of(v.at(cast + ".codes")), {}});
    add_scalar(all.back().given, "scale", 1);
  }
  for (const auto& [key, x] : v) {
    if (!key.starts_with("input.")) continue;
    const std::string name = key.substr(6);
    for (const char* format : {"e4m3", "e5m2"}) {
      for (const char* rule : {"current.", "current_pow2."}) {
        const std::string scaled = rule + std::string(format) + "." + name;
        all.push_back({scaled, of(x, "tensor", format), codes_of(v.at(scaled + ".codes")), {}});
        add_scalar(all.back().given, "scale", v.at(scaled + ".scale").values[0]);
      }
      const std::string blocks = std::string("mxfp8.") + format + ".round_up." + name;
      all.push_back({blocks, of(x, "mx", format), codes_of(v.at(blocks + ".codes")), codes_of(v.at(blocks + ".scales"))});
    }
    for (const auto& [kind, rows] : {std::pair{"nvfp4_1d.", int64_t{1}}, {"nvfp4_2d.", int64_t{16}}}) {
      if (!v.contains(kind + name + ".codes")) continue;  // NVFP4 is not defined for infinities
      all.push_back({kind + name, of(x, "nv", "e2m1"), codes_of(v.at(kind + name + ".packed")), codes_of(v.at(kind + name + ".scales"))});
      all.back().given.attrs.push_back({"rows", attribute(rows)});
      add_scalar(all.back().given, "amax", v.at(kind + name + ".amax").values[0]);
    }
  }
  return all;
}

TEST(LowPrecision, ReferenceHasTheCodesAndScalesOfTheVectors) {
  const std::vector<Vector> all = quantized();
  EXPECT_EQ(all.size(), 2 + 12 * 6 + 11 * 2u);
  for (const Vector& v : all) {
    const graph::CaseRun run = run_case(graph::find_op("quantize"), v.given);
    EXPECT_EQ(graph::to_bytes(run.outputs[0].values, run.outputs[0].type.dtype), v.codes) << v.name;
    if (run.outputs.size() > 1) {
      EXPECT_EQ(graph::to_bytes(run.outputs[1].values, run.outputs[1].type.dtype), v.scales) << v.name;
    }
  }
}

TEST(LowPrecision, CodesDecodeToTheNumbersOfTheTables) {
  for (const auto& [name, dtype] :
       {std::pair{"e4m3", DType::F8_E4M3}, {"e5m2", DType::F8_E5M2}, {"e2m1", DType::F4_E2M1}, {"e8m0", DType::F8_E8M0}}) {
    const FileTensor& table = vectors().at(std::string("cast.") + name + ".table");
    for (size_t code = 0; code < table.values.size(); ++code) {
      const double value = graph::value_of(static_cast<uint8_t>(code), dtype), expected = table.values[code];
      EXPECT_TRUE(value == expected || (std::isnan(value) && std::isnan(expected))) << name << " " << code << ": " << value;
      if (std::isfinite(expected)) {
        EXPECT_EQ(graph::code_of(expected, dtype), code) << name;
      }
    }
  }
  const FileTensor &input = vectors().at("cast.e2m1.input"), &codes = vectors().at("cast.e2m1.codes");
  for (size_t i = 0; i < input.values.size(); ++i)
    EXPECT_EQ(graph::code_of(graph::round_to_low(input.values[i], DType::F4_E2M1), DType::F4_E2M1), codes.values[i]) << input.values[i];
}

TEST(LowPrecision, DequantizedNumbersEqualThoseOfTheVectors) {
  for (const char* name : {"nvfp4_1d.normal", "nvfp4_2d.normal", "nvfp4_1d.wide", "nvfp4_2d.wide"}) {
    const auto part = [&](const char* suffix) { return vectors().at(std::string(name) + suffix); };
    Case c;
    c.attrs = {{"role", attribute(std::string("nv"))}};
    c.types = {{"codes", DType::F4_E2M1}, {"scales", DType::F8_E4M3}};
    for (const auto& [operand, file] : {std::pair{"codes", part(".codes")}, {"scales", part(".scales")}}) {
      c.shapes[operand] = file.shape;
      for (const double code : file.values) c.values[operand].push_back(graph::value_of(static_cast<uint8_t>(code), c.types[operand]));
    }
    add_scalar(c, "amax", part(".amax").values[0]);
    const graph::CaseRun run = run_case(graph::find_op("dequantize"), c);
    const std::vector<double> expected = part(".values").values;
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(static_cast<float>(run.outputs[0].values[i]), expected[i]) << name << " " << i;
  }
}

class LowPrecisionOnDevice : public OnDevice {};

TEST_F(LowPrecisionOnDevice, HasTheCodesOfTheReferenceForEveryVector) {
  graph::OpDef quantize = graph::find_op("quantize");
  quantize.cases.clear();
  for (const Vector& v : quantized()) quantize.cases.push_back(v.given);
  const validate::Conformance c = validate::check_operation(load_device(CORRAL_DEVICE), quantize);
  for (const std::string& f : c.failures) ADD_FAILURE() << f;
  EXPECT_GE(c.runs, quantize.cases.size());
}

}  // namespace
}  // namespace corral
