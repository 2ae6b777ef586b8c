#include "plugins/checkpoint/megatron/torch_type.h"

#include <algorithm>

#include "corral/error.h"
#include "plugins/checkpoint/common/element_type.h"

namespace corral::megatron {

const TorchType* torch_type(std::string_view name) {
  for (const TorchType& t : kTorchTypes)
    if (name == t.name) return &t;
  return nullptr;
}

const TorchType* torch_type_of_storage(std::string_view storage) {
  for (const TorchType& t : kTorchTypes)
    if (t.storage && storage == t.storage) return &t;
  return nullptr;
}

const TorchType& torch_type(DType dtype, const std::string& tensor) {
  for (const TorchType& t : kTorchTypes)
    if (dtype == t.dtype) return t;
  fail_bug("tensor {}: element type {} cannot be stored as torch", safetensors::in_quotes(tensor), static_cast<int>(dtype));
}

bool names_torch_type(std::string_view name) {
  static constexpr std::string_view kOthers[] = {"int8",  "int16",  "uint16", "uint32", "uint64", "half",
                                                 "float", "double", "long",   "int",    "short",  "complex64"};
  return torch_type(name) || std::find(std::begin(kOthers), std::end(kOthers), name) != std::end(kOthers);
}

bool names_torch_storage(std::string_view name) {
  return torch_type_of_storage(name) || name == "CharStorage" || name == "ShortStorage" || name == "UntypedStorage";
}

}  // namespace corral::megatron
