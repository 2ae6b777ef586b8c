// Compares the tensors of two models value by value in constant memory, whatever their layouts.
#pragma once

#include <string>
#include <vector>

#include "kernel/checkpoint/tensor_io.h"

namespace corral::convert {

struct TensorDifference {
  TensorInfo tensor;                      // on the first side
  DType other_dtype = DType::DTYPE_NONE;  // on the second side; none if it is missing there
  std::string problem;                    // why the tensor was not compared, or ""
  uint64_t compared = 0, differing = 0;   // elements; elements whose values differ
  double max_abs = 0;                     // infinity if a differing value is NaN or infinite
  double squares = 0, difference_squares = 0;

  // The same type and the same bits.
  bool equal() const { return problem.empty() && differing == 0 && other_dtype == tensor.dtype; }
  // Norm of the difference over the norm of the first side.
  double relative() const;
};

// Compares each external tensor that exists with the value that the map gives it, in the order of `externals`. Padding and tensors that the
// map does not know are skipped. `shapes` are the map's parameters; the other side may lack some, or have other shapes.
std::vector<TensorDifference> compare_through_map(const WeightMap& map, const std::vector<TensorInfo>& shapes,
                                                  checkpoint::TensorSource& externals, checkpoint::TensorSource& parameters);

// The map of tensors that have the same names and shapes on both sides.
WeightMap same_names(const std::vector<TensorInfo>& tensors);

}  // namespace corral::convert
