#include <algorithm>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// One of the three products of a linear layer, by role. Leading axes are rows.
//   fprop  a = x [... k]   b = w [n k]      ->  y [... n] = x wT
//   dgrad  a = dy [... n]  b = w [n k]      ->  y [... k] = dy w
//   wgrad  a = dy [... n]  b = x [... k]    ->  y [n k] = dyT x

std::vector<TensorType> shape(const ShapeCall& op) {
  const Shape &a = op["a"], &b = op["b"];
  const std::string& role = op.text("role");
  op.require(!a.empty(), "a", "needs at least one axis");
  if (role == "wgrad") {
    op.require(a.size() == b.size() && std::equal(a.begin(), a.end() - 1, b.begin()), "b", "needs the leading axes of a");
    return {{DType::F32, {a.back(), b.back()}}};
  }
  op.require(b.size() == 2, "b", "needs two axes, output and input features");
  op.require(a.back() == b[role == "fprop" ? 1 : 0], "a", "its last axis is not the weight's");
  Shape y = a;
  y.back() = b[role == "fprop" ? 0 : 1];
  return {{op.dtype("a"), y}};
}

void gradient(GradCall& op) {
  if (op.text("role") != "fprop") fail("{}: only role \"fprop\" has a gradient", op.where());
  const auto role = [](const char* name) { return Attrs{{"role", attribute(std::string(name))}}; };
  if (op.needs("b")) op.set("b", op.emit("product", {op.dout("y"), op.in("a")}, role("wgrad"))[0]);
  if (op.needs("a")) op.set("a", op.emit("product", {op.dout("y"), op.in("b")}, role("dgrad"))[0]);
}

void reference(const RefCall& op) {
  const auto a = op.in("a"), b = op.in("b");
  const auto y = op.out("y");
  const std::string& role = op.text("role");
  const auto A = static_cast<size_t>(op.shape("a").back()), B = static_cast<size_t>(op.shape("b").back());
  const size_t rows = A ? a.size() / A : 0;
  std::fill(y.begin(), y.end(), 0);
  if (role == "wgrad") {
    for (size_t r = 0; r < rows; ++r)
      for (size_t n = 0; n < A; ++n)
        for (size_t k = 0; k < B; ++k) y[n * B + k] += a[r * A + n] * b[r * B + k];
    return;
  }
  const size_t N = B ? b.size() / B : 0;  // b [N B]
  for (size_t r = 0; r < rows; ++r)
    for (size_t n = 0; n < N; ++n)
      for (size_t k = 0; k < B; ++k) {
        if (role == "fprop")
          y[r * N + n] += a[r * B + k] * b[n * B + k];
        else
          y[r * B + k] += a[r * N + n] * b[n * B + k];
      }
}
}  // namespace

extern const OpDef product;
const OpDef product{
    .name = "product",
    .axes = {{"fprop", "a: ... k, b: n k -> y: ... n"},
             {"dgrad", "a: ... n, b: n k -> y: ... k"},
             {"wgrad", "a: ... n, b: ... k -> y: n k"}},
    .linear_in = {"a", "b"},
    .attrs = {{"role", AttrKind::kText}},
    .shape = shape,
    .gradient = gradient,
    .reference = reference,
    .accumulates = {"y"},
    .activations = {"y"},
    .cases = {{{{"a", {2, 3, 5}}, {"b", {7, 5}}}, {{"role", attribute(std::string("fprop"))}}},
              {{{"a", {1, 17}}, {"b", {33, 17}}}, {{"role", attribute(std::string("fprop"))}}},
              {{{"a", {2, 3, 7}}, {"b", {7, 5}}}, {{"role", attribute(std::string("dgrad"))}}},
              {{{"a", {2, 9, 7}}, {"b", {2, 9, 5}}}, {{"role", attribute(std::string("wgrad"))}}},
              {{{"a", {130, 65}}, {"b", {257, 65}}}, {{"role", attribute(std::string("fprop"))}}},
              {{{"a", {130, 257}}, {"b", {257, 65}}}, {{"role", attribute(std::string("dgrad"))}}},
              {{{"a", {130, 257}}, {"b", {130, 65}}}, {{"role", attribute(std::string("wgrad"))}}}},
};
}  // namespace corral::graph
