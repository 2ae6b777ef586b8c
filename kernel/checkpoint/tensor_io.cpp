#include "kernel/checkpoint/tensor_io.h"

#include <algorithm>

#include "corral/error.h"
#include "kernel/checkpoint/element.h"

namespace corral::checkpoint {

std::vector<TensorInfo> parameters_of(const Graph& graph) {
  std::vector<TensorInfo> all;
  for (const State& s : graph.states) {
    if (s.kind != StateKind::PARAMETER) continue;
    TensorInfo& t = all.emplace_back();
    t.name = name_of(graph, s.tensor);
    t.dtype = graph.tensors[s.tensor].dtype;
    t.shape = graph.tensors[s.tensor].shape;
  }
  return all;
}

size_t find_tensor(const std::vector<TensorInfo>& tensors, const std::string& name) {
  return static_cast<size_t>(std::find_if(tensors.begin(), tensors.end(), [&](const TensorInfo& t) { return t.name == name; }) -
                             tensors.begin());
}

void copy_tensors(TensorSource& from, TensorSink& to) {
  constexpr uint64_t kPiece = 16 << 20;
  std::vector<char> piece;
  for (size_t i = 0; i < to.tensors().size(); ++i) {
    const TensorInfo& t = to.tensors()[i];
    const size_t j = find_tensor(from.tensors(), t.name);
    if (j == from.tensors().size()) fail_bug("tensor {} is to be written, but has no source", t.name);
    if (from.tensors()[j].shape != t.shape || from.tensors()[j].dtype != t.dtype)
      fail_bug("tensor {} is to be written as {} {}, but is {} {}", t.name, dtype_name(t.dtype), shape_text(t.shape),
               dtype_name(from.tensors()[j].dtype), shape_text(from.tensors()[j].shape));
    const uint64_t size = static_cast<uint64_t>(element_count(t.shape)) * element_bytes(t.dtype);
    for (uint64_t at = 0; at < size; at += kPiece) {
      piece.resize(std::min(kPiece, size - at));
      from.read(j, at, piece.data(), piece.size());
      to.write(i, at, piece.data(), piece.size());
    }
  }
}

}  // namespace corral::checkpoint
