#include "kernel/plugin/precision.h"

#include "bin/validate/pass_checks.h"

namespace corral::validate {
namespace {

constexpr Pass kPass{random_differentiated, [](const std::shared_ptr<const Plugin>& plugin, Graph g, const std::string& options) {
                       return PrecisionHandle(plugin).transform(std::move(g), options);
                     }};

constexpr Check kChecks[] = {
    {"precision.unknown", "unknown nodes, attributes and fields are kept", [](const Subject& s) { return keeps_unknown(kPass, s); }},
    {"precision.random-graphs", "random graphs come out as graphs that can run", [](const Subject& s) { return random_graphs(kPass, s); }},
    {"precision.damaged-requests", "damaged requests are refused with a reason",
     [](const Subject& s) {
       return damaged_requests(
           kPass,
           [](const Plugin& plugin, const std::string& request) {
             ReplySink reply;
             return status_of_call(plugin, &corral_precision::transform, "transform", request.data(), request.size(), reply.get());
           },
           s);
     }},
};

}  // namespace

extern const Kind kind_precision;
const Kind kind_precision{"precision", CORRAL_PRECISION_ID, CORRAL_SIZE(corral_precision),
                          [](const Subject& s, const std::shared_ptr<const Plugin>& plugin) { exercise_pass(kPass, s, plugin); }, kChecks};

}  // namespace corral::validate
