#include "kernel/graph/conversion.h"

namespace corral::graph {
namespace {
// y = part `part` of the `parts` of x along an axis: cut from same, without communication.

std::vector<TensorType> shape(const ShapeCall& op) {
  const int64_t part = op.integer("part");
  if (part < 0 || part >= parts_of(op)) fail("{}: part = {} of {} parts", op.where(), part, op.integer("parts"));
  return {{op.dtype("x"), cut(op, op["x"], "axis", order_of(op))}};
}

void reference(const RefCall& op) {
  const auto x = op.in("x");
  const auto y = op.out("y");
  each_of_part(op.shape("x"), op.integer("axis"), static_cast<size_t>(parts_of(op)), static_cast<size_t>(op.integer("part")), order_of(op),
               [&](size_t in_part, size_t in_whole) { y[in_part] = x[in_whole]; });
}

Attrs of(int64_t axis, int64_t parts, int64_t part) {
  return {{"axis", attribute(axis)}, {"parts", attribute(parts)}, {"part", attribute(part)}};
}

Attrs zigzag(Attrs attrs) {
  attrs.push_back({"order", attribute(std::string("zigzag"))});
  return attrs;
}
}  // namespace

extern const OpDef slice;
const OpDef slice{
    .name = "slice",
    .axes = {{"", "x: ... -> y: ..."}},
    .linear_in = {"x"},
    .attrs = {kMesh, kAxis, kParts, kOrder, {"part", AttrKind::kInteger}},
    .classes = {{"x", TypeClass::kFloatingOrLow}, {"y", TypeClass::kFloatingOrLow}},
    .shape = shape,
    .reference = reference,
    .cuts = true,
    .cases = {{{{"x", {6, 5}}}, of(0, 3, 1)},
              {{{"x", {2, 4, 6}}}, of(1, 2, 1)},
              {{{"x", {3, 8}}}, of(1, 4, 3)},
              {{{"x", {3, 8}}}, zigzag(of(1, 2, 1))},
              {{{"x", {3, 8}}}, of(1, 1, 0)},
              {{{"x", {2, 64}}}, of(1, 2, 1), {}, {}, {{"x", DType::F8_E5M2}}},
              {{{"x", {4, 6}}}, of(1, 3, 2), {{"x", {-6, 6}}}, {}, {{"x", DType::F4_E2M1}}}},
};
}  // namespace corral::graph
