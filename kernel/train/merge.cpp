#include "kernel/train/merge.h"

#include <cstring>

#include "corral/error.h"
#include "kernel/checkpoint/element.h"
#include "kernel/passes/eliminate.h"
#include "kernel/runtime/session.h"

namespace corral::train {
using checkpoint::convert;
using checkpoint::element_bytes;
using checkpoint::element_count;
using checkpoint::find_tensor;

MergedParameters::MergedParameters(std::shared_ptr<const DeviceHandle> device, Graph merging, checkpoint::TensorSource& own,
                                   checkpoint::TensorSource& added, DType dtype)
    : device_(std::move(device)), merging_(std::move(merging)), own_(own), added_(added), infos_(own.tensors()) {
  for (TensorInfo& t : infos_)
    if (dtype != DType::DTYPE_NONE) t.dtype = dtype;
  for (const Port& p : merging_.outputs) {
    const size_t i = find_tensor(infos_, merging_.names[p.name]);
    if (i == infos_.size() || infos_[i].shape != merging_.tensors[p.tensor].shape)
      fail_bug("merge: the output {} is not a parameter of the model", merging_.names[p.name]);
  }
}

void MergedParameters::read(size_t tensor, uint64_t offset, void* to, uint64_t size) {
  if (current_ != tensor) {
    const std::vector<float> all = values(tensor);
    bytes_.resize(all.size() * element_bytes(infos_[tensor].dtype));
    convert(DType::F32, all.data(), infos_[tensor].dtype, bytes_.data(), all.size());
    current_ = tensor;
  }
  if (offset > bytes_.size() || size > bytes_.size() - offset)
    fail_bug("merge: bytes {} to {} of {}", offset, offset + size, infos_[tensor].name);
  std::memcpy(to, bytes_.data() + offset, size);
}

std::vector<float> MergedParameters::values(size_t tensor) {
  const std::string& name = infos_[tensor].name;
  if (const TensorId output = find_port(merging_, merging_.outputs, name)) return computed(output);
  const size_t added = find_tensor(added_.tensors(), name);
  return added < added_.tensors().size() ? read_floats(added_, added) : read_floats(own_, tensor);
}

std::vector<float> MergedParameters::computed(TensorId output) {
  Graph g = merging_;
  std::erase_if(g.outputs, [&](const Port& p) { return p.tensor != output; });
  runtime::Session session(device_, {{"merge", passes::eliminate(std::move(g), true)}});
  session.allocate();
  for (const State& s : session.graph("merge").states) {
    const std::string& name = name_of(session.graph("merge"), s.tensor);
    const size_t own = find_tensor(own_.tensors(), name), added = find_tensor(added_.tensors(), name);
    if (own == own_.tensors().size() && added == added_.tensors().size()) fail_bug("merge: {} has no source", name);
    const std::vector<float> from = added < added_.tensors().size() ? read_floats(added_, added) : read_floats(own_, own);
    session.write(session.tensor("merge", s.tensor), from.data(), from.size() * sizeof(float));
  }
  session.run(session.program("merge", [](const Node&) { return true; }));
  const runtime::TensorRef merged = session.tensor("merge", output);
  std::vector<float> values(merged.bytes() / sizeof(float));
  session.read(merged, values.data(), merged.bytes());
  return values;
}

std::vector<float> MergedParameters::read_floats(checkpoint::TensorSource& from, size_t tensor) {
  const TensorInfo& t = from.tensors()[tensor];
  const auto count = static_cast<uint64_t>(element_count(t.shape));
  std::vector<char> bytes(count * element_bytes(t.dtype));
  from.read(tensor, 0, bytes.data(), bytes.size());
  std::vector<float> values(count);
  if (t.dtype == DType::F32)
    std::memcpy(values.data(), bytes.data(), bytes.size());
  else
    convert(t.dtype, bytes.data(), DType::F32, values.data(), count);
  return values;
}

}  // namespace corral::train
