// The text of a graph: any bytes are refused with a message, or give a graph that reads back equal after it was printed.
#include <cstdint>

#include "corral/error.h"
#include "kernel/graph/line.h"
#include "kernel/graph/print.h"
#include "kernel/graph/read.h"
#include "tests/fuzz/claims.h"
#include "tests/unit/canonical_graph.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace corral;
  try {
    const Graph g = graph::read({reinterpret_cast<const char*>(data), size});
    require(canonical(graph::read(graph::text_of(g))) == canonical(g));
  } catch (const Error& error) {
    require(error.exit_code() == 2 &&
            (std::string(error.what()).starts_with("line ") || std::string(error.what()).starts_with("there is no")));
  }
  return 0;
}
