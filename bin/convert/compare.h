// Two models' tensors, compared value by value in constant memory, however each of them is laid out.
#pragma once

#include <string>
#include <vector>

#include "kernel/checkpoint/tensor_io.h"

namespace corral::convert {

struct TensorDifference {
  TensorInfo tensor;                      // of the first side
  DType other_dtype = DType::DTYPE_NONE;  // of the second; none where it lacks it
  std::string problem;                    // why it was not compared; "" where it was
  uint64_t compared = 0, differing = 0;   // elements; those whose values differ
  double max_abs = 0;                     // infinity where one side has no number
  double squares = 0, difference_squares = 0;

  // The same type and the same bits.
  bool equal() const { return problem.empty() && differing == 0 && other_dtype == tensor.dtype; }
  // Norm of the difference over the norm of the first side.
  double relative() const;
};

// Each external tensor that is there against what the map makes it of; padding is not compared, and neither is what the map does not know.
// In the order of `externals`. `shapes` are the map's own parameters; those of the other side may lack some, or have other shapes.
std::vector<TensorDifference> compare_through_map(const WeightMap& map, const std::vector<TensorInfo>& shapes,
                                                  checkpoint::TensorSource& externals, checkpoint::TensorSource& parameters);

// The map of tensors that have the same names and shapes on both sides.
WeightMap same_names(const std::vector<TensorInfo>& tensors);

}  // namespace corral::convert
