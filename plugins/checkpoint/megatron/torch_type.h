// Element types as torch names them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "graph.wire.h"

namespace corral::megatron {

struct TorchType {
  const char* name;     // its name in the module torch
  const char* storage;  // class of its typed storage; null if it only has untyped ones
  DType dtype;
  uint64_t bytes;
};

inline constexpr TorchType kTorchTypes[] = {
    {"float32", "FloatStorage", DType::F32, 4},    {"bfloat16", "BFloat16Storage", DType::BF16, 2},
    {"float16", "HalfStorage", DType::F16, 2},     {"float64", "DoubleStorage", DType::F64, 8},
    {"int32", "IntStorage", DType::I32, 4},        {"int64", "LongStorage", DType::I64, 8},
    {"uint8", "ByteStorage", DType::U8, 1},        {"bool", "BoolStorage", DType::BOOL, 1},
    {"float8_e4m3fn", nullptr, DType::F8_E4M3, 1}, {"float8_e5m2", nullptr, DType::F8_E5M2, 1},
};

// Null if the reader does not support it.
const TorchType* torch_type(std::string_view name);
const TorchType* torch_type_of_storage(std::string_view storage);
// Throws Error (4) for a type that torch does not have.
const TorchType& torch_type(DType dtype, const std::string& tensor);

// True for globals of the module torch that name an element type or storage, supported or not.
bool names_torch_type(std::string_view name);
bool names_torch_storage(std::string_view name);

}  // namespace corral::megatron
