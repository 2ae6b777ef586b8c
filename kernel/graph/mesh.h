// Ranks as a grid with named dimensions, such as pipeline, data, context and tensor.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace corral::graph {

struct MeshDimension {
  std::string name;
  size_t ranks = 1;
};

struct Mesh {
  std::vector<MeshDimension> dimensions;  // ranks that differ in the last one alone are neighbours

  size_t ranks() const {
    size_t all = 1;
    for (const MeshDimension& d : dimensions) all *= d.ranks;
    return all;
  }

  // Null if the mesh has no such dimension.
  const MeshDimension* find(std::string_view name) const {
    for (const MeshDimension& d : dimensions)
      if (d.name == name) return &d;
    return nullptr;
  }

  // The coordinate of a rank in a dimension of the mesh.
  size_t coordinate(size_t rank, std::string_view name) const {
    for (size_t i = dimensions.size(); i-- > 0; rank /= dimensions[i].ranks)
      if (dimensions[i].name == name) return rank % dimensions[i].ranks;
    return 0;
  }

  // The ranks that differ from this one in this dimension only, and this one, in the order of their coordinates.
  std::vector<size_t> group(size_t rank, std::string_view name) const {
    size_t step = 1, i = dimensions.size();
    while (i-- > 0 && dimensions[i].name != name) step *= dimensions[i].ranks;
    const size_t first = rank - coordinate(rank, name) * step;
    std::vector<size_t> all;
    for (size_t k = 0, count = find(name)->ranks; k < count; ++k) all.push_back(first + k * step);
    return all;
  }
};

}  // namespace corral::graph
