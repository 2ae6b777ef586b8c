#include "kernel/plugin/optimizer.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "bin/validate/pass_checks.h"
#include "corral/error.h"
#include "kernel/graph/interpreter.h"

namespace corral::validate {
namespace {

// Checks that the update phase writes every parameter with a gradient, no other, and the norm of the gradients.
std::string updates(const Graph&, const Graph& after) {
  std::set<TensorId> written;
  for (const Node& n : after.nodes)
    if (n.phase == Phase::UPDATE) written.insert(n.outputs.begin(), n.outputs.end());
  if (!written.contains(find_state(after, "grad_norm"))) return "the state grad_norm is not written";
  std::set<TensorId> trained;
  for (const State& s : after.states)
    if (s.kind == StateKind::GRADIENT) trained.insert(s.of);
  for (const State& s : after.states) {
    if (s.kind != StateKind::PARAMETER) continue;
    if (trained.contains(s.tensor) && !written.contains(s.tensor)) return name_of(after, s.tensor) + " has a gradient and is not updated";
    if (!trained.contains(s.tensor) && written.contains(s.tensor)) return name_of(after, s.tensor) + " has no gradient and is updated";
  }
  return "";
}

constexpr Pass kPass{random_training,
                     [](const std::shared_ptr<const Plugin>& plugin, Graph g, const std::string& options) {
                       return OptimizerHandle(plugin).transform(std::move(g), options);
                     },
                     updates};

std::set<std::string> port_names(const Graph& g) {
  std::set<std::string> names;
  for (const Port& p : g.inputs) names.insert(g.names[p.name]);
  return names;
}

Outcome step_values(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  auto random = s.random();
  const Graph before = random_training(random);
  const OptimizerHandle optimizer(plugin);
  std::set<std::string> wanted = port_names(optimizer.transform(before, s.options()));
  for (const std::string& known : port_names(before)) wanted.erase(known);
  std::vector<std::string> first;
  for (const uint64_t step : {0, 1, 99, 0}) {
    const StepValues values = optimizer.step_values(s.options(), step, 100);
    std::set<std::string> given;
    for (const StepValue& v : values.values) given.insert(v.name);
    for (const std::string& name : wanted)
      if (!given.contains(name)) return failed("its graph has the input " + name + ", and it gives no value for it");
    first.push_back(values.encode());
  }
  if (first.front() != first.back()) return failed("the second answer for a step differs from the first");
  return pass();
}

// Returns parameters and saved state after the update of `before`'s gradients, with the value `planted` in the tensor `name`.
std::vector<std::vector<double>> updated(const Graph& g, const StepValues& values, const std::string& name, double planted) {
  graph::Interpreter run(g);
  std::mt19937_64 random(1);
  for (const State& s : g.states)
    for (double& x : run[s.tensor]) x = std::uniform_real_distribution<double>(0.5, 1)(random);
  for (const StepValue& v : values.values)
    if (const TensorId input = find_port(g, g.inputs, v.name)) run[input].assign(run[input].size(), v.value);
  if (!name.empty()) run.named(name)[0] = planted;
  std::vector<std::vector<double>> kept;
  run.run([](const Node& n) { return n.phase == Phase::UPDATE; });
  for (const State& s : g.states)
    if (s.kind == StateKind::PARAMETER || s.saved) kept.push_back(run[s.tensor]);
  return kept;
}

Outcome keeps_what_is_not_finite_out(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  auto random = s.random();
  const OptimizerHandle optimizer(plugin);
  const Graph g = optimizer.transform(random_training(random), s.options());
  const StepValues values = optimizer.step_values(s.options(), 9, 100);
  Graph untouched = g;
  std::erase_if(untouched.nodes, [](const Node& n) { return n.phase == Phase::UPDATE; });
  const auto before = updated(untouched, values, "", 0);
  if (updated(g, values, "", 0) == before) return failed("a step with a gradient changes nothing");
  std::vector<std::string> numbers{"loss_sum", "weight_sum"};
  for (const State& state : g.states)
    if (state.kind == StateKind::GRADIENT) numbers.push_back(name_of(g, state.tensor));
  for (const std::string& name : numbers)
    for (const double planted : {std::nan(""), HUGE_VAL})
      if (updated(g, values, name, planted) != before) return failed(format("a step with {} in {} changes saved states", planted, name));
  return pass();
}

Outcome defaults_are_accepted(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  OptimizerHandle(plugin).check(s.options(), 100);
  return pass();
}

void exercise(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const OptimizerHandle optimizer(plugin);
  optimizer.check(s.options(), 10);
  exercise_pass(kPass, s, plugin);
  optimizer.step_values(s.options(), 0, 10);
}

constexpr Check kChecks[] = {
    {"optimizer.unknown", "unknown nodes, attributes and fields are kept", [](const Subject& s) { return keeps_unknown(kPass, s); }},
    {"optimizer.random-graphs", "in random graphs it updates each parameter that has a gradient, and no other",
     [](const Subject& s) { return random_graphs(kPass, s); }},
    {"optimizer.step-values", "it gives a value for each input that it added, the same for the same step", with_plugin<step_values>},
    {"optimizer.not-finite", "a step whose loss, weights or gradients are NaN or infinite changes no parameter and no saved state",
     with_plugin<keeps_what_is_not_finite_out>},
    {"optimizer.defaults", "it accepts its own defaults", with_plugin<defaults_are_accepted>},
    {"optimizer.damaged-requests", "damaged requests are refused with a reason",
     [](const Subject& s) {
       return damaged_requests(
           kPass,
           [](const Plugin& plugin, const std::string& request) {
             ReplySink reply;
             return status_of_call(plugin, &corral_optimizer::transform, "transform", request.data(), request.size(), reply.get());
           },
           s);
     }},
};

}  // namespace

extern const Kind kind_optimizer;
const Kind kind_optimizer{"optimizer", CORRAL_OPTIMIZER_ID, CORRAL_SIZE(corral_optimizer), exercise, kChecks};

}  // namespace corral::validate
