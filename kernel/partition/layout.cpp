#include "kernel/partition/layout.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernel/graph/conversion.h"

namespace corral::partition {
namespace {

bool is_named(const Graph& g, uint32_t name, std::string_view text) { return g.names[name] == text; }

}  // namespace

std::string text_of(const Share& share) {
  if (share.kind == Share::Kind::kSame) return "same";
  if (share.kind == Share::Kind::kPartial) return format("partial ({})", graph::kReductionWords[static_cast<size_t>(share.reduction)]);
  return format("cut along axis {}{}", share.axis, share.order == Order::ZIGZAG ? " in zigzag order" : "");
}

Share share_of(const Graph& g, TensorId t, std::string_view mesh) {
  const Layout& layout = g.tensors[t].layout;
  for (const Cut& c : layout.cuts)
    if (is_named(g, c.mesh, mesh)) return {.kind = Share::Kind::kCut, .axis = c.axis, .order = c.order};
  for (const Owed& o : layout.owes)
    if (is_named(g, o.mesh, mesh)) return {.kind = Share::Kind::kPartial, .reduction = o.reduction};
  return {};
}

std::vector<graph::MeshDimension> mesh_of(const Graph& g) {
  std::vector<graph::MeshDimension> mesh;
  const auto add = [&](const std::string& name, size_t ranks, const std::string& by) {
    const auto known = std::find_if(mesh.begin(), mesh.end(), [&](const graph::MeshDimension& d) { return d.name == name; });
    if (known == mesh.end())
      mesh.push_back({name, ranks});
    else if (known->ranks != ranks)
      fail_bug("{} has {} ranks in the mesh dimension \"{}\", which has {} elsewhere", by, ranks, name, known->ranks);
  };
  for (const Tensor& t : g.tensors) {
    for (const Cut& c : t.layout.cuts) add(g.names[c.mesh], c.parts, "the layout of \"" + g.names[t.name] + "\"");
    for (const Owed& o : t.layout.owes) add(g.names[o.mesh], o.parts, "the layout of \"" + g.names[t.name] + "\"");
  }
  const auto conversion = [&](const Node& n) {
    const Attribute *over = find_attribute(g, n, "mesh"), *parts = find_attribute(g, n, "parts");
    if (over) add(over->text, parts ? static_cast<size_t>(parts->integer) : 1, op_of(g, n));
  };
  for (const Node& n : g.nodes) {
    conversion(n);
    for (const Node& part : body_of(n)) conversion(part);
  }
  return mesh;
}

std::vector<size_t> places(const Graph& g, TensorId t, const graph::Mesh& mesh, size_t rank) {
  const Tensor& tensor = g.tensors[t];
  const Layout& layout = tensor.layout;
  Shape shape = layout.global.empty() ? tensor.shape : layout.global;
  std::vector<size_t> now(static_cast<size_t>(elements(shape)));
  std::iota(now.begin(), now.end(), size_t{0});
  for (const Cut& c : layout.cuts) {
    std::vector<size_t> part(now.size() / c.parts);
    graph::each_of_part(shape, c.axis, c.parts, mesh.coordinate(rank, g.names[c.mesh]), c.order,
                        [&](size_t in_part, size_t in_whole) { part[in_part] = now[in_whole]; });
    now = std::move(part);
    shape[c.axis] /= c.parts;
  }
  return now;
}

std::vector<double> part_of(const Graph& g, TensorId t, const graph::Mesh& mesh, size_t rank, std::span<const double> whole) {
  std::vector<double> part;
  for (const size_t place : places(g, t, mesh, rank)) part.push_back(whole[place]);
  for (const Owed& o : g.tensors[t].layout.owes)
    if (mesh.coordinate(rank, g.names[o.mesh]) != 0) part.assign(part.size(), o.reduction == Reduction::SUM ? 0 : -HUGE_VAL);
  return part;
}

}  // namespace corral::partition
