// A tensor as torch.save stores it: an archive of a pickle that describes it and a record of bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/checkpoint/megatron/pickle.h"
#include "plugins/checkpoint/megatron/torch_type.h"
#include "plugins/checkpoint/megatron/zip.h"

namespace corral::megatron {

// What a pickle of torch.save may name; its own state dicts hold no more.
bool allowed_in_torch_save(std::string_view module, std::string_view name);

struct TorchTensor {
  const TorchType* type = nullptr;
  std::vector<int64_t> sizes, strides;  // in elements
  uint64_t first = 0;                   // element of the storage
  ZipRecord storage;
};

// Throws Error (2) where the archive holds anything but one tensor that lies inside of its storage.
TorchTensor read_torch_tensor(const Bytes& archive);
// A tensor anywhere in such a pickle; `node` is its call.
TorchTensor read_torch_tensor(const Pickle& pickle, const Node& node, const std::vector<ZipRecord>& records);

// data.pkl of a tensor in row-major order, or of a list with just this tensor.
std::string tensor_pickle(const TorchType& type, const std::vector<int64_t>& sizes, bool in_list = false);
// The same inside of a larger pickle; `record` names its bytes, data/RECORD.
void put_tensor(class PickleWriter& p, const TorchType& type, const std::vector<int64_t>& sizes, const std::string& record);

}  // namespace corral::megatron
