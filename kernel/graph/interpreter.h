// Runs a graph in float64 through the reference of each operation: slow, and what everything else is compared with.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "corral/graph.h"
#include "kernel/graph/op.h"

namespace corral::graph {

class Interpreter {
 public:
  explicit Interpreter(const Graph& g);
  // Values of an input or state; unset ones are zero.
  std::vector<double>& operator[](TensorId id) { return values_[id]; }
  std::vector<double>& named(std::string_view tensor_name);
  // Runs the nodes that `chosen` takes, in order.
  void run(const std::function<bool(const Node&)>& chosen);
  void run_all() {
    run([](const Node&) { return true; });
  }

 private:
  void run_one(const Node& n);
  const Graph& g_;
  std::vector<std::vector<double>> values_;
};

// One node on given inputs. Outputs are new vectors, those of in-place operations too; one that updates an absent input is empty.
// `rounds`: as on a device that rounds between.
std::vector<std::vector<double>> run_reference(const OpDef& def, const Attrs& attrs, const std::vector<TensorType>& input_types,
                                               std::vector<std::vector<double>> inputs, const std::vector<bool>& present,
                                               bool rounds = false);

}  // namespace corral::graph
