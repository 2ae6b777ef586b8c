#include <cstdint>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// A value is dropped where hash(seed, step, key, token_index, first_feature + feature) / 2^64 < rate, else multiplied by 1 / (1 - rate):
// the mask depends on nothing else, so every split of the batch gives the same. The hash is two rounds of the finalizer of splitmix64.
// (Sebastiano Vigna, public domain: https://prng.di.unimi.it/splitmix64.c)

uint64_t mixed(uint64_t z) {
  z += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

std::vector<TensorType> shape(const ShapeCall& op) {
  const Shape& x = op["x"];
  op.require(x.size() == 3, "x", "needs three axes: sequences, token positions, features");
  op.require(op["token_index"] == Shape{x[0], x[1]}, "token_index", "needs one for each token position of x");
  op.require(op["seed"] == Shape{2}, "seed", "needs two numbers: seed and step");
  if (op.has("first_feature")) op.require(op["first_feature"] == Shape{1}, "first_feature", "needs shape [1]");
  return {{op.dtype("x"), x}};
}

void gradient(GradCall& op) {
  if (op.needs("x"))
    op.set("x", op.emit("dropout", {op.dout("y"), op.in("token_index"), op.in("seed"), op.in("first_feature")},
                        {op.same("rate"), op.same("key")})[0]);
}

void reference(const RefCall& op) {
  const auto x = op.in("x"), token_index = op.in("token_index"), seed = op.in("seed");
  const auto y = op.out("y");
  const auto D = static_cast<size_t>(op.shape("x")[2]);
  const double rate = op.attr("rate");
  const auto first = static_cast<uint64_t>(op.has("first_feature") ? op.in("first_feature")[0] : 0);
  const uint64_t run =
      mixed(mixed(mixed(static_cast<uint64_t>(seed[0])) ^ static_cast<uint64_t>(seed[1])) ^ static_cast<uint64_t>(op.integer("key")));
  for (size_t i = 0; i < x.size(); ++i) {
    const uint64_t draw = mixed(mixed(run ^ static_cast<uint64_t>(token_index[i / D])) ^ (first + i % D));
    y[i] = static_cast<double>(draw >> 40) < rate * 0x1p24 ? 0 : x[i] / (1 - rate);
  }
}
}  // namespace

extern const OpDef dropout;
const OpDef dropout{
    .name = "dropout",
    .axes = {{"", "x: b t d, token_index: b t, seed: two, first_feature?: one -> y: b t d"}},
    .linear_in = {"x"},
    .first = {{"first_feature", "d"}},
    .attrs = {{"rate", AttrKind::kNumber}, {"key", AttrKind::kInteger}},
    .types = {{"token_index", DType::I64}, {"seed", DType::I64}, {"first_feature", DType::I64}},
    .shape = shape,
    .gradient = gradient,
    .reference = reference,
    .cheap = true,
    .activations = {"y"},
    .cases = {{{{"x", {2, 3, 40}}, {"token_index", {2, 3}}, {"seed", {2}}},
               {{"rate", attribute(0.3)}, {"key", attribute(int64_t{5})}},
               {{"token_index", {0, 1000}}, {"seed", {0, 99}}}},
              // A part of the features.
              {{{"x", {1, 5, 24}}, {"token_index", {1, 5}}, {"seed", {2}}, {"first_feature", {1}}},
               {{"rate", attribute(0.5)}, {"key", attribute(int64_t{7})}},
               {{"token_index", {0, 1000}}, {"seed", {0, 99}}},
               {{"first_feature", {48}}}}},
};
}  // namespace corral::graph
