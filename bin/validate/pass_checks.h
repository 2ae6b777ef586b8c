// What holds of every pass, graph in and graph out, whatever its kind.
#pragma once

#include "bin/validate/check.h"
#include "bin/validate/random_graph.h"

namespace corral::validate {

struct Pass {
  Graph (*make)(std::mt19937_64&);                                                          // a graph as the pass meets it
  Graph (*apply)(const std::shared_ptr<const Plugin>&, Graph, const std::string& options);  // the plugin's answer
  std::string (*fault)(const Graph& before, const Graph& after) = nullptr;                  // what else is wrong with the answer, or ""
};

// One graph; throws what is wrong.
void exercise_pass(const Pass& pass, const Subject&, const std::shared_ptr<const Plugin>&);
// Unknown nodes, attributes and fields come through.
Outcome keeps_unknown(const Pass& pass, const Subject&);
// Random graphs come out as graphs that can run, twice the same. A failure says the seed of its graph.
Outcome random_graphs(const Pass& pass, const Subject&);
// Requests that are cut off, damaged or nonsense are refused with a sentence.
Outcome damaged_requests(const Pass& pass, corral_status (*call)(const Plugin&, const std::string& request), const Subject&);

}  // namespace corral::validate
