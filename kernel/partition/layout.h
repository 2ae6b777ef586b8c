// The part of a tensor that a rank has, over each dimension of the mesh.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "corral/graph.h"
#include "kernel/graph/mesh.h"

namespace corral::partition {

// The share of a tensor that each rank of one mesh dimension has: all the same, each a part of an axis, or each a partial result.
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

// The mesh dimensions that the graph's layouts and conversions name, with their ranks. Throws Error where two disagree about these.
std::vector<graph::MeshDimension> mesh_of(const Graph& g);

// For each number of the tensor on a rank, its place in the whole tensor.
std::vector<size_t> places(const Graph& g, TensorId t, const graph::Mesh& mesh, size_t rank);

// The part of a whole tensor that a rank has, as `places` says. Of a partial result the first rank of each mesh dimension has
// all, and the others nothing: 0, or -infinity for another reduction than a sum.
std::vector<double> part_of(const Graph& g, TensorId t, const graph::Mesh& mesh, size_t rank, std::span<const double> whole);

}  // namespace corral::partition
