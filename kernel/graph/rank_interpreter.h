// Runs the graphs of many ranks in one process, in float64 and in lockstep: what a partition is compared with the whole graph by.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "kernel/graph/interpreter.h"
#include "kernel/graph/mesh.h"

namespace corral::graph {

class RankInterpreter {
 public:
  // One graph a rank, in the order of the mesh. Throws Error where their number is not the mesh's.
  RankInterpreter(std::vector<Graph> graphs, Mesh mesh);

  size_t ranks() const { return graphs_.size(); }
  const Mesh& mesh() const { return mesh_; }
  const Graph& graph(size_t rank) const { return graphs_[rank]; }
  // Values of the rank's inputs and states.
  Interpreter& operator[](size_t rank) { return *values_[rank]; }

  // Each rank runs its nodes that `chosen` takes, in order. At a conversion it waits for the other ranks of its group, which are those that
  // differ from it in the conversion's mesh dimension alone. Throws Error where ranks of a group come to different conversions, or where a
  // rank waits for one that ended or waits elsewhere: it names each rank, its operation and its node.
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
