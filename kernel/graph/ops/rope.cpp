#include <algorithm>
#include <cmath>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// Turns each pair (i, i + head_dim/2) of a head by position * frequency[i], the product rounded to float32 as the programs that trained
// these models round it; `inverse` turns back, which is the gradient.  arXiv:2104.09864

std::vector<TensorType> shape(const ShapeCall& op) {
  const Shape& x = op["x"];
  const int64_t head_dim = op.integer("head_dim");
  op.require(x.size() == 3, "x", "needs three axes: sequences, token positions, features");
  op.require(op["positions"] == Shape{x[0], x[1]}, "positions", "needs one for each token position of x");
  op.require(head_dim > 0 && head_dim % 2 == 0 && x[2] % head_dim == 0, "x", "its features are not a multiple of an even head_dim");
  op.require(static_cast<int64_t>(op.numbers("frequencies").size()) == head_dim / 2, "x", "needs head_dim/2 frequencies");
  return {{op.dtype("x"), x}};
}

void gradient(GradCall& op) {
  if (!op.needs("x")) return;
  const int64_t back = op.integer("inverse") ? 0 : 1;
  op.set("x", op.emit("rope", {op.dout("y"), op.in("positions")},
                      {op.same("head_dim"), op.same("frequencies"), {"inverse", attribute(back)}})[0]);
}

void reference(const RefCall& op) {
  const auto x = op.in("x"), positions = op.in("positions");
  const auto y = op.out("y");
  const auto& frequencies = op.numbers("frequencies");
  const auto head_dim = static_cast<size_t>(op.integer("head_dim")), half = head_dim / 2, width = static_cast<size_t>(op.shape("x")[2]);
  const double sign = op.integer("inverse") ? -1 : 1;
  for (size_t i = 0; i < x.size(); i += head_dim)
    for (size_t j = 0; j < half; ++j) {
      const double angle = static_cast<float>(positions[i / width]) * static_cast<float>(frequencies[j]);
      const double c = std::cos(angle), s = sign * std::sin(angle), a = x[i + j], b = x[i + j + half];
      y[i + j] = a * c - b * s;
      y[i + j + half] = b * c + a * s;
    }
}
}  // namespace

extern const OpDef rope;
const OpDef rope{
    .name = "rope",
    .axes = {{"", "x: b t h*head_dim, positions: b t -> y: b t h*head_dim"}},
    .linear_in = {"x"},
    .attrs = {{"head_dim", AttrKind::kInteger}, {"frequencies", AttrKind::kNumbers}, {"inverse", AttrKind::kInteger}},
    .types = {{"positions", DType::I32}},
    .shape = shape,
    .gradient = gradient,
    .reference = reference,
    .cheap = true,
    .activations = {"y"},
    .cases = {{{{"x", {2, 3, 8}}, {"positions", {2, 3}}},
               {{"head_dim", attribute(int64_t{4})}, {"frequencies", attribute(std::vector<double>{1, 0.1})}},
               {{"positions", {0, 2000}}}},
              {{{"x", {1, 5, 12}}, {"positions", {1, 5}}},
               {{"head_dim", attribute(int64_t{6})},
                {"frequencies", attribute(std::vector<double>{1, 0.3, 0.01})},
                {"inverse", attribute(int64_t{1})}},
               {{"positions", {0, 9}}}}},
};
}  // namespace corral::graph
