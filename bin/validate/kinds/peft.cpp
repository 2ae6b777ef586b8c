#include "kernel/plugin/peft.h"

#include "bin/validate/pass_checks.h"
#include "corral/error.h"
#include "kernel/graph/verify.h"

namespace corral::validate {
namespace {

std::string something_is_trained(const Graph&, const Graph& after) {
  for (const State& s : after.states)
    if (s.kind == StateKind::PARAMETER && s.trained) return "";
  return "nothing is trained";
}

constexpr Pass kPass{random_forward,
                     [](const std::shared_ptr<const Plugin>& plugin, Graph g, const std::string& options) {
                       return PeftHandle(plugin).transform(std::move(g), options, false);
                     },
                     something_is_trained};

// Checks that the added parameters can be merged and initialized.
void exercise(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  exercise_pass(kPass, s, plugin);
  auto random = s.random();
  const Graph model = random_forward(random);
  const PeftHandle peft(plugin);
  graph::verify(peft.initialize(model, s.options()));
  graph::verify(peft.merge(model, s.options()));
}

constexpr Check kChecks[] = {
    {"peft.unknown", "unknown nodes, attributes and fields are kept", [](const Subject& s) { return keeps_unknown(kPass, s); }},
    {"peft.random-graphs", "random graphs come out as graphs that can run and have something to train",
     [](const Subject& s) { return random_graphs(kPass, s); }},
    {"peft.damaged-requests", "damaged requests are refused with a reason",
     [](const Subject& s) {
       return damaged_requests(
           kPass,
           [](const Plugin& plugin, const std::string& request) {
             ReplySink reply;
             return status_of_call(plugin, &corral_peft::transform, "transform", request.data(), request.size(), reply.get());
           },
           s);
     }},
};

}  // namespace

extern const Kind kind_peft;
const Kind kind_peft{"peft", CORRAL_PEFT_ID, CORRAL_SIZE(corral_peft), exercise, kChecks};

}  // namespace corral::validate
