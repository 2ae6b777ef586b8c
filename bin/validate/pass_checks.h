// Checks that every pass must satisfy, whatever its kind.
#pragma once

#include "bin/validate/check.h"
#include "bin/validate/random_graph.h"

namespace corral::validate {

struct Pass {
  Graph (*make)(std::mt19937_64&);                                                          // makes a graph as the pass receives it
  Graph (*apply)(const std::shared_ptr<const Plugin>&, Graph, const std::string& options);  // returns the plugin's answer
  std::string (*fault)(const Graph& before, const Graph& after) = nullptr;                  // another fault of the answer, or ""
};

// Runs the pass on one graph; throws its fault.
void exercise_pass(const Pass& pass, const Subject&, const std::shared_ptr<const Plugin>&);
// Unknown nodes, attributes and fields are kept.
Outcome keeps_unknown(const Pass& pass, const Subject&);
// Random graphs give runnable graphs, the same twice. A failure tells the seed of its graph.
Outcome random_graphs(const Pass& pass, const Subject&);
// Requests that are truncated, damaged or nonsense are refused with a sentence.
Outcome damaged_requests(const Pass& pass, corral_status (*call)(const Plugin&, const std::string& request), const Subject&);

}  // namespace corral::validate
