#include "kernel/plugin/parallel.h"

#include <algorithm>
#include <map>
#include <set>

#include "bin/validate/pass_checks.h"
#include "corral/error.h"

namespace corral::validate {
namespace {

constexpr std::pair<const char*, uint32_t> kMesh[] = {{"pipeline", 2}, {"data", 2}, {"context", 2}, {"tensor", 2}};

ParallelRequest request_of(Graph graph, const std::string& options) {
  ParallelRequest request;
  request.options = options;
  request.graph = std::move(graph);
  for (const auto& [name, size] : kMesh) {
    request.mesh.emplace_back();
    request.mesh.back().name = name;
    request.mesh.back().size = size;
  }
  request.micro_batches = 4;
  return request;
}

constexpr Pass kLower{random_differentiated, [](const std::shared_ptr<const Plugin>& plugin, Graph g, const std::string& options) {
                        return ParallelHandle(plugin).lower(request_of(std::move(g), options));
                      }};

std::string fault_of_cuts(const Graph& g, const Placement& placement) {
  std::set<std::pair<uint32_t, std::string>> seen;
  for (const TensorCut& cut : placement.cuts) {
    if (cut.tensor == 0 || cut.tensor >= g.tensors.size())
      return format("it cuts tensor {}, the graph has tensors 1 to {}", cut.tensor, g.tensors.size() - 1);
    const std::string& name = g.names[g.tensors[cut.tensor].name];
    if (std::none_of(std::begin(kMesh), std::end(kMesh), [&](const auto& d) { return cut.dimension == d.first; }))
      return format("it cuts {} over \"{}\", which is not a dimension of the mesh", name, cut.dimension);
    if (cut.axis >= g.tensors[cut.tensor].shape.size())
      return format("it cuts {} along axis {}, which has {} axes", name, cut.axis, g.tensors[cut.tensor].shape.size());
    if (!seen.emplace(cut.tensor, cut.dimension).second) return format("it cuts {} over {} twice", name, cut.dimension);
  }
  return "";
}

std::string fault_of_stages(const Graph& g, const Placement& placement) {
  std::set<uint32_t> chunks{0};
  for (const ScopeChunk& c : placement.chunks) {
    chunks.insert(c.chunk);
    if (std::none_of(g.nodes.begin(), g.nodes.end(), [&](const Node& n) { return g.names[n.scope].starts_with(c.scope); }))
      return format("it puts scope \"{}\" into chunk {}, but no node has such a scope", c.scope, c.chunk);
  }
  if (placement.stages.empty()) return chunks.size() > 1 ? "it makes chunks, but no schedule of stages" : "";
  std::map<std::tuple<uint32_t, Phase, uint32_t>, int> runs;
  for (const StageSchedule& stage : placement.stages) {
    if (stage.stage >= kMesh[0].second) return format("it has a schedule for stage {} of {}", stage.stage, kMesh[0].second);
    for (const StageAction& a : stage.actions) ++runs[{a.chunk, a.phase, a.micro_batch}];
  }
  for (const uint32_t chunk : chunks)
    for (const Phase phase : {Phase::FORWARD, Phase::BACKWARD})
      for (uint32_t m = 0; m < 4; ++m)
        if (const int times = runs[{chunk, phase, m}]; times != 1)
          return format("its stages run the {} of chunk {} for micro-batch {} {} times", phase == Phase::FORWARD ? "forward" : "backward",
                        chunk, m, times);
  return "";
}

Outcome places(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  constexpr uint64_t kGraphs = 50;
  const ParallelHandle parallel(plugin);
  size_t cuts = 0;
  for (uint64_t i = 0; i < kGraphs; ++i) {
    std::mt19937_64 random(s.seed + i);
    const ParallelRequest request = request_of(random_differentiated(random), s.options());
    const Placement placement = parallel.place(request);
    cuts += placement.cuts.size();
    std::string fault = fault_of_cuts(request.graph, placement);
    if (fault.empty()) fault = fault_of_stages(request.graph, placement);
    if (fault.empty() && placement.encode() != parallel.place(request).encode())
      fault = "the second answer to a request differs from the first";
    if (!fault.empty()) return failed(format("{} (again with --seed {})", fault, s.seed + i));
  }
  return pass(format("{} cuts in {} graphs from seed {}", cuts, kGraphs, s.seed));
}

template <auto Member>
corral_status call_bare(const Plugin& plugin, const std::string& request) {
  ReplySink reply;
  return status_of_call(plugin, Member, "place or lower", request.data(), request.size(), reply.get());
}

constexpr Check kChecks[] = {
    {"parallel.place", "cuts name existing tensors, axes and dimensions, and stages run each chunk once", with_plugin<places>},
    {"parallel.unknown", "unknown nodes, attributes and fields are kept", [](const Subject& s) { return keeps_unknown(kLower, s); }},
    {"parallel.random-graphs", "random graphs come out of lower as graphs that can run",
     [](const Subject& s) { return random_graphs(kLower, s); }},
    {"parallel.damaged-requests", "damaged requests are refused with a reason",
     [](const Subject& s) {
       const Outcome placing = damaged_requests(kLower, call_bare<&corral_parallel::place>, s);
       return placing.status == Outcome::kPass ? damaged_requests(kLower, call_bare<&corral_parallel::lower>, s) : placing;
     }},
};

void exercise(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  auto random = s.random();
  const ParallelRequest request = request_of(random_differentiated(random), s.options());
  if (const std::string fault = fault_of_cuts(request.graph, ParallelHandle(plugin).place(request)); !fault.empty())
    fail_check("{}", fault);
  exercise_pass(kLower, s, plugin);
}

}  // namespace

extern const Kind kind_parallel;
const Kind kind_parallel{"parallel", CORRAL_PARALLEL_ID, CORRAL_SIZE(corral_parallel), exercise, kChecks};

}  // namespace corral::validate
