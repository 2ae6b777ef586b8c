// The part of a tensor that a rank has, over each dimension of the mesh.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "corral/graph.h"
#include "kernel/graph/mesh.h"

namespace corral::partition {

// The share of a tensor on each rank of one mesh dimension: the same on all, a part of an axis, or a partial result.
struct Share {
  enum class Kind { kSame, kCut, kPartial };
  Kind kind = Kind::kSame;
  uint32_t axis = 0;                     // of a cut
  Order order = Order::CONTIGUOUS;       // of a cut
  Reduction reduction = Reduction::SUM;  // that completes a partial result
  bool operator==(const Share&) const = default;
};

// "same", "cut along axis 1", "partial (sum)".
std::string text_of(const Share& share);

Share share_of(const Graph& g, TensorId t, std::string_view mesh);

// The mesh dimensions that the graph's layouts and conversions name. Throws Error if two disagree about the number of ranks.
std::vector<graph::MeshDimension> mesh_of(const Graph& g);

// For each element of a rank's tensor, its index in the whole tensor.
std::vector<size_t> places(const Graph& g, TensorId t, const graph::Mesh& mesh, size_t rank);

// A rank's part of a whole tensor, by `places`. If the tensor is partial, the first rank of each mesh dimension gets the values and the
// others the neutral element: 0 of a sum, -infinity of another reduction.
std::vector<double> part_of(const Graph& g, TensorId t, const graph::Mesh& mesh, size_t rank, std::span<const double> whole);

}  // namespace corral::partition
