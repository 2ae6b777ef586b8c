// Splits ranges of a row-major tensor into boxes.
#pragma once

#include <cstdint>
#include <vector>

namespace corral::megatron {

struct Box {
  std::vector<int64_t> begin, end;
};

// Calls visit(box) for consecutive boxes that together are the elements [first, last) of a row-major tensor.
template <class F>
void for_each_box(const std::vector<int64_t>& shape, int64_t first, int64_t last, F&& visit) {
  struct Cut {
    const std::vector<int64_t>& shape;
    F& visit;
    Box box;
    void run(size_t axis, int64_t first, int64_t last) {
      int64_t inner = 1;
      for (size_t a = axis + 1; a < shape.size(); ++a) inner *= shape[a];
      for (size_t a = axis; a < shape.size(); ++a) {
        box.begin[a] = 0;
        box.end[a] = shape[a];
      }
      if (axis == shape.size() || (first == 0 && last == inner * shape[axis])) return visit(box);
      int64_t row = first / inner;
      const int64_t end = last / inner, before = first % inner, after = last % inner;
      if (row == end) return one(axis, row, before, after);
      if (before > 0) one(axis, row++, before, inner);
      if (row < end) {
        for (size_t a = axis + 1; a < shape.size(); ++a) {
          box.begin[a] = 0;
          box.end[a] = shape[a];
        }
        box.begin[axis] = row;
        box.end[axis] = end;
        visit(box);
      }
      if (after > 0) one(axis, end, 0, after);
    }
    void one(size_t axis, int64_t row, int64_t first, int64_t last) {
      box.begin[axis] = row;
      box.end[axis] = row + 1;
      run(axis + 1, first, last);
    }
  };
  if (first == last) return;
  Cut cut{shape, visit, {std::vector<int64_t>(shape.size(), 0), shape}};
  cut.run(0, first, last);
}

}  // namespace corral::megatron
