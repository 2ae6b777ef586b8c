// A tensor as torch.save stores it: an archive with a pickle that describes it and a record of its bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/checkpoint/megatron/pickle.h"
#include "plugins/checkpoint/megatron/torch_type.h"
#include "plugins/checkpoint/megatron/zip.h"

namespace corral::megatron {

// The globals that a torch.save pickle may name when it contains only tensors and plain values.
bool allowed_in_torch_save(std::string_view module, std::string_view name);

struct TorchTensor {
  const TorchType* type = nullptr;
  std::vector<int64_t> sizes, strides;  // in elements
  uint64_t first = 0;                   // index of the first element in the storage
  ZipRecord storage;
};

// Throws Error (2) if the archive is not exactly one tensor inside its storage.
TorchTensor read_torch_tensor(const Bytes& archive);
// Reads a tensor inside a larger pickle; `node` is its call.
TorchTensor read_torch_tensor(const Pickle& pickle, const Node& node, const std::vector<ZipRecord>& records);

// data.pkl for a row-major tensor, or for a list of just this tensor.
std::string tensor_pickle(const TorchType& type, const std::vector<int64_t>& sizes, bool in_list = false);
// Writes the tensor into a larger pickle; its bytes are in the record data/RECORD.
void put_tensor(class PickleWriter& p, const TorchType& type, const std::vector<int64_t>& sizes, const std::string& record);

}  // namespace corral::megatron
