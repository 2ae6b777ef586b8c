#include "kernel/checkpoint/mapped_parameters.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "corral/error.h"
#include "kernel/checkpoint/element.h"
#include "kernel/checkpoint/weight_map.h"

namespace corral::checkpoint {
namespace {

// Calls visit(external, parameter) for boxes of the pair that together cover the elements of the parameter's view in [first, last).
template <class F>
void clip(View external, View parameter, int64_t first, int64_t last, size_t next_axis, F&& visit) {
  int64_t extent = 1;
  for (size_t i = 0; i < parameter.sizes.size(); ++i) extent += (parameter.sizes[i] - 1) * parameter.strides[i];
  if (parameter.offset >= last || parameter.offset + extent <= first) return;
  if (parameter.offset >= first && parameter.offset + extent <= last) return visit(external, parameter);
  // A stride steps over all elements of the axes inside of it, so a bound can cut only the first and the last index of the widest remaining
  // axis.
  const size_t axis = next_axis;
  if (axis == parameter.sizes.size()) return;
  const int64_t size = parameter.sizes[axis], stride = parameter.strides[axis], a = external.strides[axis];
  const int64_t inner = extent - (size - 1) * stride;
  const auto at = [&](int64_t place) { return stride > 0 ? std::clamp<int64_t>(place, 0, size) : 0; };
  // Index i is whole if first <= offset + i*stride and offset + i*stride + inner <= last.
  const int64_t begin = at(stride > 0 ? (first - parameter.offset + stride - 1) / stride : 0);
  const int64_t end =
      std::max(begin, at(stride > 0 && last >= parameter.offset + inner ? (last - parameter.offset - inner) / stride + 1 : 0));
  const auto sub = [&](int64_t from, int64_t to, size_t then) {
    if (from >= to) return;
    View e = external, p = parameter;
    e.offset += from * a;
    p.offset += from * stride;
    e.sizes[axis] = p.sizes[axis] = to - from;
    clip(std::move(e), std::move(p), first, last, then, visit);
  };
  if (begin > 0) sub(begin - 1, begin, axis + 1);
  sub(begin, end, axis + 1);
  if (end < size) sub(end, end + 1, axis + 1);
}

// Sorts the axes of the pair by the parameter's stride, the widest first.
std::pair<View, View> widest_first(const View& external, const View& parameter) {
  std::vector<size_t> order(parameter.sizes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return parameter.strides[a] > parameter.strides[b]; });
  View e = external, p = parameter;
  for (size_t i = 0; i < order.size(); ++i) {
    e.sizes[i] = p.sizes[i] = parameter.sizes[order[i]];
    e.strides[i] = external.strides[order[i]];
    p.strides[i] = parameter.strides[order[i]];
  }
  return {std::move(e), std::move(p)};
}

}  // namespace

MappedParameters::MappedParameters(const WeightMap& map, TensorSource& externals, std::vector<TensorInfo> parameters)
    : externals_(externals), parameters_(std::move(parameters)), parts_(parameters_.size()) {
  for (const WeightEntry& e : map.entries) {
    if (e.kind != WeightEntry_Kind::PAIR) continue;
    const size_t p = find_tensor(parameters_, e.parameter.tensor), x = find_tensor(externals_.tensors(), e.external.tensor);
    if (p == parameters_.size() || x == externals_.tensors().size())
      fail_bug("weight map: {} and {}: no such pair of tensors", e.external.tensor, e.parameter.tensor);
    parts_[p].push_back({&e, x});
  }
}

void MappedParameters::read(size_t tensor, uint64_t offset, void* to, uint64_t size) {
  const uint64_t bytes = element_bytes(parameters_[tensor].dtype);
  if (offset % bytes != 0 || size % bytes != 0)
    fail_bug("{}: bytes {} to {} are not whole elements", parameters_[tensor].name, offset, offset + size);
  const auto first = static_cast<int64_t>(offset / bytes), last = static_cast<int64_t>((offset + size) / bytes);
  for (const Part& part : parts_[tensor]) read_part(part, first, last, static_cast<char*>(to), bytes);
}

void MappedParameters::read_part(const Part& part, int64_t first, int64_t last, char* to, uint64_t bytes) {
  const auto [external, parameter] = widest_first(part.entry->external, part.entry->parameter);
  if (std::find(parameter.sizes.begin(), parameter.sizes.end(), 0) != parameter.sizes.end()) return;
  clip(external, parameter, first, last, 0, [&](const View& e, const View& p) {
    thread_local TileBuffer buffer;
    for_each_tile(e, p, static_cast<int64_t>(kBufferBytes / bytes), [&](const Tile& tile) {
      if (tile.is_run()) {
        externals_.read(part.external, static_cast<uint64_t>(tile.from_offset) * bytes,
                        to + static_cast<uint64_t>(tile.to_offset - first) * bytes, static_cast<uint64_t>(tile.count) * bytes);
        return;
      }
      buffer.gather(tile, externals_, part.external, bytes);
      buffer.scatter(tile, bytes, [&](int64_t place, const char* data, int64_t count) {
        std::memcpy(to + static_cast<uint64_t>(place - first) * bytes, data, static_cast<uint64_t>(count) * bytes);
      });
    });
  });
}

}  // namespace corral::checkpoint
