// Runs the graphs of many ranks in one process, in float64 and in lockstep, to compare a partition with the whole graph.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "kernel/graph/interpreter.h"
#include "kernel/graph/mesh.h"

namespace corral::graph {

class RankInterpreter {
 public:
  // One graph a rank, in the order of the mesh. Throws Error if their number is not that of the mesh.
  RankInterpreter(std::vector<Graph> graphs, Mesh mesh);

  size_t ranks() const { return graphs_.size(); }
  const Mesh& mesh() const { return mesh_; }
  const Graph& graph(size_t rank) const { return graphs_[rank]; }
  // Values of the rank's inputs and states.
  Interpreter& operator[](size_t rank) { return *values_[rank]; }

  // Runs the nodes that `chosen` accepts, in order. At a conversion a rank waits for its group: the ranks that differ from it only in the
  // conversion's mesh dimension. Throws Error if ranks of a group reach different conversions, or if a rank waits for one that has ended or
  // waits elsewhere; the message names each rank, its operation and its node.
  void run(const std::function<bool(const Node&)>& chosen);
  void run_all() {
    run([](const Node&) { return true; });
  }

 private:
  struct Step {
    Node node;      // an operation of the kernel, also of a body
    size_t number;  // of the graph's node
  };
  struct Progress {
    std::vector<Step> steps;
    size_t next = 0;
    const Step* waits() const { return next < steps.size() ? &steps[next] : nullptr; }
  };

  void run_to_conversion(size_t rank, Progress& p);
  bool meet(size_t rank, std::vector<Progress>& all);
  void require_equal(size_t a, const Step& x, size_t b, const Step& y) const;
  std::string place(size_t rank, const Step* step) const;

  const std::vector<Graph> graphs_;
  const Mesh mesh_;
  std::vector<std::unique_ptr<Interpreter>> values_;
};

}  // namespace corral::graph
