// Strided views of tensors: their bounds, what they cover, and copies from one to another in constant memory.
#pragma once

#include <functional>

#include "kernel/checkpoint/tensor_io.h"

namespace corral::checkpoint {

// Throws Error (4) where the view leaves its tensor, names an element twice or is no view. `role` is for the message.
void check_view(const View& view, const TensorInfo& tensor, const char* role);

// The elements of a row-major tensor that a view names, as ranges [begin, end), sorted; neighbours joined.
struct Range {
  int64_t begin, end;
};
std::vector<Range> covered(const View& view);

// The view of all elements of a tensor.
View whole_view(const TensorInfo& tensor);

// A piece of a pair of views of equal sizes, few enough elements to be held in a buffer. Axes are the same on both sides.
struct Tile {
  std::vector<int64_t> sizes, from_strides, to_strides;
  int64_t from_offset = 0, to_offset = 0, count = 1;
  // Neighbours on both sides.
  bool is_run() const { return sizes.empty() || (sizes.size() == 1 && from_strides[0] == 1 && to_strides[0] == 1); }
};
// Calls `visit` for pieces of at most `largest` elements that together are the whole.
void for_each_tile(const View& from, const View& to, int64_t largest, const std::function<void(const Tile&)>& visit);

// A tile's elements, read from the source and put into `out` in the order of their places in the sink.
class TileBuffer {
 public:
  void gather(const Tile& tile, TensorSource& source, size_t tensor, uint64_t element_bytes);
  // Calls write(first element in the sink, bytes, number of elements) for each run.
  void scatter(const Tile& tile, uint64_t element_bytes, const std::function<void(int64_t, const char*, int64_t)>& write) const;

 private:
  std::vector<char> read_, out_;
};

}  // namespace corral::checkpoint
