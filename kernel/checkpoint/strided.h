// Strided views of tensors: their bounds, the elements they cover, and copies from one to another in constant memory.
#pragma once

#include <functional>

#include "kernel/checkpoint/tensor_io.h"

namespace corral::checkpoint {

// Throws Error (4) if the view leaves its tensor, names an element twice or is not a view. `role` is for the message.
void check_view(const View& view, const TensorInfo& tensor, const char* role);

struct Range {
  int64_t begin, end;
};
// The elements of a row-major tensor that a view names, as sorted ranges [begin, end). Adjacent ranges are joined.
std::vector<Range> covered(const View& view);

// The view of all elements of a tensor.
View whole_view(const TensorInfo& tensor);

// A piece of a pair of views of equal sizes, small enough for a buffer. Both sides have the same axes.
struct Tile {
  std::vector<int64_t> sizes, from_strides, to_strides;
  int64_t from_offset = 0, to_offset = 0, count = 1;
  // True if the elements are contiguous on both sides.
  bool is_run() const { return sizes.empty() || (sizes.size() == 1 && from_strides[0] == 1 && to_strides[0] == 1); }
};
// Cuts the pair of views into pieces of at most `largest` elements and calls `visit` for each.
void for_each_tile(const View& from, const View& to, int64_t largest, const std::function<void(const Tile&)>& visit);

// Moves a tile's elements from the source to the sink, in the order of their offsets in the sink.
class TileBuffer {
 public:
  void gather(const Tile& tile, TensorSource& source, size_t tensor, uint64_t element_bytes);
  // Calls write(first element in the sink, bytes, number of elements) for each run.
  void scatter(const Tile& tile, uint64_t element_bytes, const std::function<void(int64_t, const char*, int64_t)>& write) const;

 private:
  std::vector<char> read_, out_;
};

}  // namespace corral::checkpoint
