// Runs a graph in float64 by the reference of each operation. It is slow, and everything else is compared with it.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "corral/graph.h"
#include "kernel/graph/op.h"

namespace corral::graph {

// The operands of a node as its reference sees them.
class ReferenceRun {
 public:
  // An input that is not present is absent.
  ReferenceRun(const OpDef& def, Attrs attrs, std::vector<TensorType> input_types, std::vector<std::vector<double>> inputs,
               const std::vector<bool>& present);
  // Refers to this object, which must not move.
  RefCall call();
  // The same for a reference that also fills `rounded`.
  RefCall call_rounded();

  // New vectors, also for in-place operations; empty if the in-place input is absent. They are zero before the reference runs.
  std::vector<std::vector<double>> outputs;
  std::vector<std::vector<double>> rounded;  // RefCall::rounded of each output

 private:
  const OpDef& def_;
  const Attrs attrs_;
  const std::vector<TensorType> input_types_;
  std::vector<std::vector<double>> inputs_;
  std::vector<RefCall::Value> in_values_, out_values_;
  std::vector<const RefCall::Value*> in_, out_;
};

class Interpreter {
 public:
  explicit Interpreter(const Graph& g);
  // Values of an input or state; unset ones are zero.
  std::vector<double>& operator[](TensorId id) { return values_[id]; }
  std::vector<double>& named(std::string_view tensor_name);
  // Runs the nodes that `chosen` accepts, in order.
  void run(const std::function<bool(const Node&)>& chosen);
  void run_all() {
    run([](const Node&) { return true; });
  }

  // Runs one operation of the kernel.
  void run_one(const Node& n);
  // The same in two steps, as several ranks run a conversion together between the two.
  ReferenceRun begin(const Node& n) const;
  void finish(const Node& n, const ReferenceRun& run);

 private:
  // The values of a tensor; for a group, the values of its members.
  std::vector<double> value(TensorId t) const;
  void assign(TensorId t, const std::vector<double>& values);
  const Graph& g_;
  std::map<TensorId, const Group*> groups_;  // by their tensors
  std::vector<std::vector<double>> values_;
};

// Runs one node on given inputs. If `rounded` is given, it receives RefCall::rounded of each output.
std::vector<std::vector<double>> run_reference(const OpDef& def, const Attrs& attrs, const std::vector<TensorType>& input_types,
                                               std::vector<std::vector<double>> inputs, const std::vector<bool>& present,
                                               std::vector<std::vector<double>>* rounded = nullptr);

}  // namespace corral::graph
