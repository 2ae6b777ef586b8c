#include <algorithm>
#include <cmath>

#include "kernel/graph/op.h"

namespace corral::graph {
namespace {
// One update in place of fp32 masters; a parameter in fp32 is its own master.  arXiv:1711.05101
//   g = gradient factor;  m += (1-b1)(g - m);  v += (1-b2)(g^2 - v);  w -= lr ((m / (1-b1^step)) / (sqrt(v / (1-b2^step)) + eps) +
//   weight_decay w)
// Where finite is 0 all three keep their values, whatever the gradient is. The parameter is the rounded master.

std::vector<TensorType> shape(const ShapeCall& op) {
  const Shape& w = op["master"];
  for (const char* each : {"exp_avg", "exp_avg_sq", "gradient"}) op.require(op[each] == w, each, "needs the shape of master");
  for (const char* each : {"factor", "finite", "lr", "step"}) op.require(op[each] == Shape{1}, each, "needs shape [1]");
  return {{DType::F32, w}, {DType::F32, w}, {DType::F32, w}, {DType::F32, w}};
}

void reference(const RefCall& op) {
  const auto w0 = op.in("master"), m0 = op.in("exp_avg"), v0 = op.in("exp_avg_sq"), gradient = op.in("gradient");
  const auto w = op.out("master_out"), m = op.out("exp_avg_out"), v = op.out("exp_avg_sq_out");
  const double b1 = op.attr("beta1"), b2 = op.attr("beta2"), lr = op.in("lr")[0], step = op.in("step")[0];
  const bool finite = op.in("finite")[0] != 0;
  for (size_t i = 0; i < w.size(); ++i) {
    const double g = gradient[i] * op.in("factor")[0];
    m[i] = finite ? m0[i] + (1 - b1) * (g - m0[i]) : m0[i];
    v[i] = finite ? v0[i] + (1 - b2) * (g * g - v0[i]) : v0[i];
    const double mean = m[i] / (1 - std::pow(b1, step)), variance = v[i] / (1 - std::pow(b2, step));
    w[i] = finite ? w0[i] - lr * (mean / (std::sqrt(variance) + op.attr("eps")) + op.attr("weight_decay") * w0[i]) : w0[i];
    if (op.writes("parameter")) op.out("parameter")[i] = w[i];
  }
}

Case with(int64_t size, double beta2, double weight_decay, double step, double finite) {
  const Shape w{size}, one{1};
  return {{{"master", w}, {"exp_avg", w}, {"exp_avg_sq", w}, {"gradient", w}, {"factor", one}, {"finite", one}, {"lr", one}, {"step", one}},
          {{"beta1", attribute(0.9)}, {"beta2", attribute(beta2)}, {"eps", attribute(1e-8)}, {"weight_decay", attribute(weight_decay)}},
          {{"exp_avg_sq", {0.5, 1}}, {"factor", {0.1, 0.2}}, {"lr", {0.01, 0.02}}},
          {{"step", {step}}, {"finite", {finite}}}};
}

Case not_finite() {
  Case c = with(3, 0.95, 0.1, 2, 0);
  c.values["gradient"] = {NAN, INFINITY, 1};
  c.values["factor"] = {NAN};
  return c;
}
}  // namespace

extern const OpDef adamw;
const OpDef adamw{
    .name = "adamw",
    .axes = {{"",
              "master: ..., exp_avg: ..., exp_avg_sq: ..., gradient: ..., factor: one, finite: one, lr: one, step: one "
              "-> master_out: ..., exp_avg_out: ..., exp_avg_sq_out: ..., parameter?: ..."}},
    .attrs = {{"beta1", AttrKind::kNumber, 0.9},
              {"beta2", AttrKind::kNumber, 0.999},
              {"eps", AttrKind::kNumber, 1e-8},
              {"weight_decay", AttrKind::kNumber}},
    .types = {{"master", DType::F32},
              {"exp_avg", DType::F32},
              {"exp_avg_sq", DType::F32},
              {"gradient", DType::F32},
              {"factor", DType::F32},
              {"finite", DType::F32},
              {"lr", DType::F64},
              {"step", DType::F64},
              {"master_out", DType::F32},
              {"exp_avg_out", DType::F32},
              {"exp_avg_sq_out", DType::F32}},
    .shape = shape,
    .reference = reference,
    .updates = {{"master_out", "master"}, {"exp_avg_out", "exp_avg"}, {"exp_avg_sq_out", "exp_avg_sq"}},
    .cases = {with(35, 0.95, 0.1, 3, 1), with(70, 0.999, 0, 1000, 1), with(35, 0.95, 0.1, 3, 0), not_finite()},
};
}  // namespace corral::graph
