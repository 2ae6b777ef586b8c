#include "kernel/checkpoint/strided.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "corral/error.h"
#include "kernel/checkpoint/element.h"

namespace corral::checkpoint {
namespace {

// Sorts axes by stride, the widest first.
std::vector<size_t> by_stride(const std::vector<int64_t>& strides) {
  std::vector<size_t> order(strides.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return strides[a] > strides[b]; });
  return order;
}

// Calls visit(first element, count) for each run of adjacent elements, in ascending order.
template <class F>
void for_each_run(const std::vector<int64_t>& sizes, const std::vector<int64_t>& strides, int64_t offset, F&& visit) {
  std::vector<size_t> order = by_stride(strides);
  int64_t run = 1;
  while (!order.empty() && (sizes[order.back()] == 1 || strides[order.back()] == run)) {
    run *= sizes[order.back()];
    order.pop_back();
  }
  std::vector<int64_t> at(order.size(), 0);
  for (int64_t place = offset;;) {
    visit(place, run);
    size_t axis = order.size();
    for (; axis > 0; --axis) {
      const size_t a = order[axis - 1];
      place += strides[a];
      if (++at[axis - 1] < sizes[a]) break;
      place -= strides[a] * sizes[a];
      at[axis - 1] = 0;
    }
    if (axis == 0) return;
  }
}

// Strides of a dense copy of the tile whose elements are in the order of the given strides.
std::vector<int64_t> dense_strides(const std::vector<int64_t>& sizes, const std::vector<int64_t>& strides) {
  std::vector<int64_t> dense(sizes.size(), 0);
  const std::vector<size_t> order = by_stride(strides);
  int64_t stride = 1;
  for (size_t i = order.size(); i-- > 0; stride *= sizes[order[i]]) dense[order[i]] = stride;
  return dense;
}

struct Axis {
  int64_t size, from, to;
};

std::vector<Axis> joined_axes(const View& from, const View& to) {
  std::vector<Axis> axes;
  for (size_t i = 0; i < from.sizes.size(); ++i) {
    const Axis next{from.sizes[i], from.strides[i], to.strides[i]};
    if (next.size == 1) continue;
    if (!axes.empty() && axes.back().from == next.from * next.size && axes.back().to == next.to * next.size)
      axes.back() = {axes.back().size * next.size, next.from, next.to};
    else
      axes.push_back(next);
  }
  return axes;
}

// The axis along which a piece is cut: an outer one of the source, so that runs stay long. If the sides run along different axes, the
// longer.
size_t axis_to_cut(const std::vector<Axis>& axes) {
  size_t best = axes.size();
  for (size_t i = 0; i < axes.size(); ++i)
    if (axes[i].size > 1 && axes[i].from != 1 && axes[i].to != 1 && (best == axes.size() || axes[i].from > axes[best].from)) best = i;
  if (best < axes.size()) return best;
  best = 0;
  for (size_t i = 1; i < axes.size(); ++i)
    if (axes[i].size > axes[best].size) best = i;
  return best;
}

void cut(std::vector<Axis> axes, int64_t from_offset, int64_t to_offset, int64_t largest, const std::function<void(const Tile&)>& visit) {
  Tile tile;
  for (const Axis& a : axes) tile.count *= a.size;
  if (tile.count > largest) {
    const size_t i = axis_to_cut(axes);
    const Axis whole = axes[i];
    axes[i].size = whole.size / 2;
    cut(axes, from_offset, to_offset, largest, visit);
    axes[i].size = whole.size - whole.size / 2;
    return cut(axes, from_offset + whole.size / 2 * whole.from, to_offset + whole.size / 2 * whole.to, largest, visit);
  }
  tile.from_offset = from_offset;
  tile.to_offset = to_offset;
  for (const Axis& a : axes) {
    tile.sizes.push_back(a.size);
    tile.from_strides.push_back(a.from);
    tile.to_strides.push_back(a.to);
  }
  visit(tile);
}

void permute(const Tile& tile, const char* from, char* to, uint64_t bytes) {
  const std::vector<int64_t> from_dense = dense_strides(tile.sizes, tile.from_strides),
                             to_dense = dense_strides(tile.sizes, tile.to_strides);
  std::vector<int64_t> at(tile.sizes.size(), 0);
  int64_t a = 0, b = 0;
  for (int64_t i = 0; i < tile.count; ++i) {
    std::memcpy(to + static_cast<uint64_t>(b) * bytes, from + static_cast<uint64_t>(a) * bytes, bytes);
    for (size_t axis = tile.sizes.size(); axis-- > 0;) {
      a += from_dense[axis];
      b += to_dense[axis];
      if (++at[axis] < tile.sizes[axis]) break;
      a -= from_dense[axis] * tile.sizes[axis];
      b -= to_dense[axis] * tile.sizes[axis];
      at[axis] = 0;
    }
  }
}

bool empty(const View& v) { return std::find(v.sizes.begin(), v.sizes.end(), 0) != v.sizes.end(); }

}  // namespace

void check_view(const View& v, const TensorInfo& tensor, const char* role) {
  const int64_t count = element_count(tensor.shape);
  if (v.sizes.size() != v.strides.size())
    fail_bug("weight map: view of {} {} has {} sizes and {} strides", role, tensor.name, v.sizes.size(), v.strides.size());
  int64_t last = v.offset;
  bool inside = v.offset >= 0;
  for (size_t i = 0; i < v.sizes.size(); ++i) {
    int64_t step = 0;
    if (v.sizes[i] < 0 || v.strides[i] < 0)
      fail_bug("weight map: view of {} {}: sizes {}, strides {}: expected none below 0", role, tensor.name, shape_text(v.sizes),
               shape_text(v.strides));
    inside = inside && !(v.sizes[i] > 1 &&
                         (__builtin_mul_overflow(v.sizes[i] - 1, v.strides[i], &step) || __builtin_add_overflow(last, step, &last)));
  }
  if (!empty(v) && (!inside || last >= count))
    fail_bug("weight map: view of {} {} at {}, sizes {}, strides {} leaves its shape {}", role, tensor.name, v.offset, shape_text(v.sizes),
             shape_text(v.strides), shape_text(tensor.shape));
  // Each stride must step over all elements inside of it, or two indices could name one element.
  int64_t extent = 0;
  const std::vector<size_t> order = by_stride(v.strides);
  for (size_t i = order.size(); i-- > 0;) {
    if (v.sizes[order[i]] <= 1) continue;
    if (v.strides[order[i]] <= extent)
      fail_bug("weight map: view of {} {}, sizes {}, strides {} names an element twice", role, tensor.name, shape_text(v.sizes),
               shape_text(v.strides));
    extent += (v.sizes[order[i]] - 1) * v.strides[order[i]];
  }
}

std::vector<Range> covered(const View& view) {
  std::vector<Range> ranges;
  if (empty(view)) return ranges;
  for_each_run(view.sizes, view.strides, view.offset, [&](int64_t place, int64_t count) {
    if (!ranges.empty() && ranges.back().end == place)
      ranges.back().end += count;
    else
      ranges.push_back({place, place + count});
  });
  return ranges;
}

View whole_view(const TensorInfo& tensor) {
  View v;
  v.tensor = tensor.name;
  v.sizes = tensor.shape;
  v.strides.resize(v.sizes.size());
  int64_t stride = 1;
  for (size_t i = v.sizes.size(); i-- > 0; stride *= v.sizes[i]) v.strides[i] = stride;
  return v;
}

void for_each_tile(const View& from, const View& to, int64_t largest, const std::function<void(const Tile&)>& visit) {
  if (!empty(from)) cut(joined_axes(from, to), from.offset, to.offset, largest, visit);
}

void TileBuffer::gather(const Tile& tile, TensorSource& source, size_t tensor, uint64_t bytes) {
  read_.resize(static_cast<size_t>(tile.count) * bytes);
  char* at = read_.data();
  for_each_run(tile.sizes, tile.from_strides, tile.from_offset, [&](int64_t place, int64_t count) {
    source.read(tensor, static_cast<uint64_t>(place) * bytes, at, static_cast<uint64_t>(count) * bytes);
    at += static_cast<uint64_t>(count) * bytes;
  });
  if (by_stride(tile.from_strides) == by_stride(tile.to_strides)) {
    std::swap(read_, out_);
    return;
  }
  out_.resize(read_.size());
  permute(tile, read_.data(), out_.data(), bytes);
}

void TileBuffer::scatter(const Tile& tile, uint64_t bytes, const std::function<void(int64_t, const char*, int64_t)>& write) const {
  const char* at = out_.data();
  for_each_run(tile.sizes, tile.to_strides, tile.to_offset, [&](int64_t place, int64_t count) {
    write(place, at, count);
    at += static_cast<uint64_t>(count) * bytes;
  });
}

}  // namespace corral::checkpoint
