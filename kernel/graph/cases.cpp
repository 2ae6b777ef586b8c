#include "kernel/graph/cases.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "kernel/graph/interpreter.h"
#include "kernel/graph/low_precision.h"

namespace corral::graph {
namespace {

DType type_of(const OpDef& def, const Case& c, const std::string& operand, DType floating) {
  if (const auto given = c.types.find(operand); given != c.types.end()) return given->second;
  const auto only = def.types.find(operand);
  return only == def.types.end() ? floating : only->second;
}

bool whole_numbers(DType dtype) { return dtype == DType::I32 || dtype == DType::I64; }

// Rounds to nearest even by hand, as the standard library has no bfloat16.
uint16_t bf16_bits(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
float from_bf16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

std::vector<double> draw(const Case& c, const std::string& name, const TensorType& type, std::mt19937_64& random) {
  if (const auto given = c.values.find(name); given != c.values.end()) {
    std::vector<double> values = given->second;
    for (double& v : values) v = rounded(v, type.dtype);
    return values;
  }
  const auto range = c.ranges.find(name);
  const auto [low, high] = range == c.ranges.end() ? std::pair{-1.0, 1.0} : range->second;
  std::vector<double> values(static_cast<size_t>(elements(type.shape)));
  for (double& v : values) {
    v = low + (high - low) * (static_cast<double>(random() >> 11) * 0x1p-53);
    v = whole_numbers(type.dtype) ? std::floor(v) : rounded(v, type.dtype);
  }
  return values;
}

template <class T>
std::vector<unsigned char> pack(const std::vector<double>& values) {
  std::vector<unsigned char> bytes(values.size() * sizeof(T));
  for (size_t i = 0; i < values.size(); ++i) {
    const T v = static_cast<T>(values[i]);
    std::memcpy(bytes.data() + i * sizeof(T), &v, sizeof(T));
  }
  return bytes;
}

template <class T>
std::vector<double> unpack(const std::vector<unsigned char>& bytes) {
  std::vector<double> values(bytes.size() / sizeof(T));
  for (size_t i = 0; i < values.size(); ++i) {
    T v;
    std::memcpy(&v, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = static_cast<double>(v);
  }
  return values;
}

}  // namespace

double rounded(double value, DType dtype) {
  switch (dtype) {
    case DType::F64:
      return value;
    case DType::F32:
      return static_cast<float>(value);
    case DType::BF16:
      return from_bf16(bf16_bits(static_cast<float>(value)));
    case DType::I32:
    case DType::I64:
      return std::nearbyint(value);
    default:
      return round_to_low(value, dtype);
  }
}

std::vector<unsigned char> to_bytes(const std::vector<double>& values, DType dtype) {
  switch (dtype) {
    case DType::F64:
      return pack<double>(values);
    case DType::F32:
      return pack<float>(values);
    case DType::I32:
      return pack<int32_t>(values);
    case DType::I64:
      return pack<int64_t>(values);
    case DType::BF16: {
      std::vector<double> bits(values.size());
      for (size_t i = 0; i < values.size(); ++i) bits[i] = bf16_bits(static_cast<float>(values[i]));
      return pack<uint16_t>(bits);
    }
    default: {
      std::vector<unsigned char> codes(bytes_of(dtype, static_cast<int64_t>(values.size())));
      const bool two = dtype == DType::F4_E2M1;  // in a byte, the first in its low half
      for (size_t i = 0; i < values.size(); ++i)
        codes[two ? i / 2 : i] |= static_cast<unsigned char>(code_of(values[i], dtype) << (two && i % 2 ? 4 : 0));
      return codes;
    }
  }
}

std::vector<double> from_bytes(const std::vector<unsigned char>& bytes, DType dtype) {
  switch (dtype) {
    case DType::F64:
      return unpack<double>(bytes);
    case DType::F32:
      return unpack<float>(bytes);
    case DType::I32:
      return unpack<int32_t>(bytes);
    case DType::I64:
      return unpack<int64_t>(bytes);
    case DType::BF16: {
      std::vector<double> values = unpack<uint16_t>(bytes);
      for (double& v : values) v = from_bf16(static_cast<uint16_t>(v));
      return values;
    }
    default: {
      const bool two = dtype == DType::F4_E2M1;
      std::vector<double> values(bytes.size() * (two ? 2 : 1));
      for (size_t i = 0; i < values.size(); ++i)
        values[i] = value_of(two ? static_cast<uint8_t>(bytes[i / 2] >> (i % 2 * 4) & 15) : bytes[i], dtype);
      return values;
    }
  }
}

CaseRun run_case(const OpDef& def, const Case& c, uint64_t seed, DType floating) {
  std::mt19937_64 random(seed);
  const Operands& o = def.operands(c.attrs);
  for (const auto& [name, shape] : c.shapes)
    if (std::find(o.inputs.begin(), o.inputs.end(), name) == o.inputs.end()) fail_bug("a case of {} has no input \"{}\"", def.name, name);
  CaseRun run;
  std::vector<const TensorType*> types;
  for (const std::string& name : o.inputs) {
    CaseOperand& in = run.inputs.emplace_back();
    const auto shape = c.shapes.find(name);
    if (shape == c.shapes.end()) continue;
    in.present = true;
    in.type = {type_of(def, c, name, floating), shape->second};
    in.values = draw(c, name, in.type, random);
    if (in.values.size() != static_cast<size_t>(elements(shape->second))) fail_bug("a case of {} has too few values of {}", def.name, name);
  }
  for (const CaseOperand& in : run.inputs) types.push_back(in.present ? &in.type : nullptr);
  const std::vector<TensorType> outputs = infer(def, c.attrs, types, def.name);
  for (size_t k = 0; k < outputs.size(); ++k) {
    CaseOperand& out = run.outputs.emplace_back();
    const auto updated = def.updates.find(o.outputs[k]);
    out.present = updated == def.updates.end() || c.shapes.contains(updated->second);
    out.type = outputs[k];
  }
  run_case_again(def, c, run);
  return run;
}

void run_case_again(const OpDef& def, const Case& c, CaseRun& run) {
  std::vector<TensorType> types;
  std::vector<std::vector<double>> values;
  std::vector<bool> present;
  for (const CaseOperand& in : run.inputs) {
    types.push_back(in.type);
    values.push_back(in.values);
    present.push_back(in.present);
  }
  std::vector<std::vector<double>> rounded;
  const auto outputs = run_reference(def, c.attrs, types, std::move(values), present, &rounded);
  for (size_t k = 0; k < outputs.size(); ++k) {
    run.outputs[k].values = outputs[k];
    run.outputs[k].rounded = rounded[k];
  }
}

}  // namespace corral::graph
