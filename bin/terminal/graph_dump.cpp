#include "bin/terminal/graph_dump.h"

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "corral/error.h"
#include "kernel/graph/print.h"

namespace corral::cli {
namespace {

constexpr char kPlan[] = "plan";

std::string list_of(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all;
}

// Prints the offset and size of each tensor in the arena.
void print_plan(const runtime::Session& session) {
  const auto number = [](uint64_t n) { return static_cast<unsigned long long>(n); };
  for (const auto& c : session.plan().classes) std::printf("%-12s %14llu bytes\n", c.name.c_str(), number(c.bytes));
  std::printf("%-12s %14llu bytes\n", "all", number(session.plan().total));
  for (size_t i = 0; i < session.graphs().size(); ++i) {
    const auto& [name, g, constants] = session.graphs()[i];
    std::printf("\n%14s %14s  tensor of %s\n", "offset", "bytes", name.c_str());
    for (TensorId t = 1; t < g.tensors.size(); ++t)
      if (const uint64_t offset = session.plan().offset(i, t); offset != plan::Arena::kAbsent)
        std::printf("%14llu %14llu  %s\n", number(offset), number(bytes_of(g.tensors[t].dtype, elements(g.tensors[t].shape))),
                    name_of(g, t).c_str());
  }
}

}  // namespace

train::Pipeline printing_stages(const Arguments& arguments, train::Pipeline pipeline) {
  const std::string wanted = arguments.text("dump-graph");
  if (wanted.empty()) return pipeline;
  std::vector<std::string> stages = train::Pipeline::stages();
  stages.push_back(kPlan);
  if (std::find(stages.begin(), stages.end(), wanted) == stages.end())
    fail("--dump-graph {}: no such stage; there are {}", wanted, list_of(stages));
  pipeline.set_dump([wanted](const std::string& stage, const Graph& g) {
    if (stage == wanted) graph::print(g, std::cout);
  });
  return pipeline;
}

bool ends_with_graph(const Arguments& arguments, const train::Pipeline& pipeline, const std::function<const runtime::Session&()>& planned) {
  const std::string wanted = arguments.text("dump-graph");
  if (wanted.empty()) return false;
  std::vector<std::string> passed = pipeline.passed();
  if (wanted == kPlan)
    print_plan(planned());
  else if (std::find(passed.begin(), passed.end(), wanted) == passed.end())
    fail("--dump-graph {}: no graph passes this stage here, but {} and {}", wanted, list_of(passed), kPlan);
  return true;
}

}  // namespace corral::cli
