#include <algorithm>
#include <cmath>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// One update in place.  arXiv:1711.05101
//   g = gradient factor;  m += (1-b1)(g - m);  v += (1-b2)(g^2 - v);  w -= lr ((m / (1-b1^step)) / (sqrt(v / (1-b2^step)) + eps) +
//   weight_decay w)
// where w is the master if there is one, and the parameter its rounding.

std::vector<TensorType> shape(const ShapeCall& op) {
  const Shape& p = op["parameter"];
  for (const char* each : {"exp_avg", "exp_avg_sq", "gradient"}) op.require(op[each] == p, each, "needs the shape of parameter");
  op.require(op.has("master") || op.dtype("parameter") == DType::F32, "parameter", "needs a master where it is not f32");
  if (op.has("master")) op.require(op["master"] == p, "master", "needs the shape of parameter");
  for (const char* each : {"factor", "lr", "step"}) op.require(op[each] == Shape{1}, each, "needs shape [1]");
  return {{op.dtype("parameter"), p}, {DType::F32, p}, {DType::F32, p}, {DType::F32, p}};
}

void reference(const RefCall& op) {
  const bool has_master = op.has("master");
  const auto start = op.in(has_master ? "master" : "parameter"), m0 = op.in("exp_avg"), v0 = op.in("exp_avg_sq"),
             gradient = op.in("gradient");
  const auto parameter = op.out("parameter_out"), m = op.out("exp_avg_out"), v = op.out("exp_avg_sq_out");
  const double b1 = op.attr("beta1"), b2 = op.attr("beta2"), lr = op.in("lr")[0], step = op.in("step")[0];
  for (size_t i = 0; i < parameter.size(); ++i) {
    const double g = gradient[i] * op.in("factor")[0], w = start[i];
    m[i] = m0[i] + (1 - b1) * (g - m0[i]);
    v[i] = v0[i] + (1 - b2) * (g * g - v0[i]);
    const double mean = m[i] / (1 - std::pow(b1, step)), variance = v[i] / (1 - std::pow(b2, step));
    parameter[i] = w - lr * (mean / (std::sqrt(variance) + op.attr("eps")) + op.attr("weight_decay") * w);
    if (op.writes("master_out")) op.out("master_out")[i] = parameter[i];
  }
}
}  // namespace

extern const OpDef adamw;
const OpDef adamw{
    .name = "adamw",
    .axes = {{"",
              "parameter: ..., master?: ..., exp_avg: ..., exp_avg_sq: ..., gradient: ..., factor: one, lr: one, step: one "
              "-> parameter_out: ..., master_out: ..., exp_avg_out: ..., exp_avg_sq_out: ..."}},
    .attrs = {{"beta1", AttrKind::kNumber, 0.9},
              {"beta2", AttrKind::kNumber, 0.999},
              {"eps", AttrKind::kNumber, 1e-8},
              {"weight_decay", AttrKind::kNumber}},
    .types = {{"master", DType::F32},
              {"exp_avg", DType::F32},
              {"exp_avg_sq", DType::F32},
              {"gradient", DType::F32},
              {"factor", DType::F32},
              {"lr", DType::F64},
              {"step", DType::F64}},
    .shape = shape,
    .reference = reference,
    .updates = {{"parameter_out", "parameter"}, {"master_out", "master"}, {"exp_avg_out", "exp_avg"}, {"exp_avg_sq_out", "exp_avg_sq"}},
    .cases = {{{{"parameter", {5, 7}},
                {"exp_avg", {5, 7}},
                {"exp_avg_sq", {5, 7}},
                {"gradient", {5, 7}},
                {"factor", {1}},
                {"lr", {1}},
                {"step", {1}}},
               {{"beta1", attribute(0.9)}, {"beta2", attribute(0.95)}, {"eps", attribute(1e-8)}, {"weight_decay", attribute(0.1)}},
               {{"exp_avg_sq", {0.5, 1}}, {"factor", {0.1, 0.2}}, {"lr", {0.01, 0.02}}},
               {{"step", {3}}}},
              {{{"parameter", {70}},
                {"master", {70}},
                {"exp_avg", {70}},
                {"exp_avg_sq", {70}},
                {"gradient", {70}},
                {"factor", {1}},
                {"lr", {1}},
                {"step", {1}}},
               {{"beta1", attribute(0.9)}, {"beta2", attribute(0.999)}, {"eps", attribute(1e-8)}},
               {{"exp_avg_sq", {0.5, 1}}, {"factor", {0.1, 0.2}}, {"lr", {0.01, 0.02}}},
               {{"step", {1000}}}}},
};
}  // namespace corral::graph
