// A run's graphs on a device: prepared once, planned over one arena, then launched without allocating.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "corral/graph.h"
#include "kernel/plan/arena.h"
#include "kernel/plugin/device.h"
#include "kernel/runtime/executor.h"
#include "kernel/runtime/kernels.h"
#include "kernel/runtime/staging.h"
#include "kernel/runtime/tensor_ref.h"

namespace corral::runtime {

// A graph that went through the passes, and the name by which it is found, such as "train".
struct Prepared {
  std::string name;
  Graph graph;
};

// Gives the actions of a graph as the session runs it: without the bodies of nodes, where the device does not know these by name.
using Scheduler = std::function<plan::Schedule(const Prepared&)>;

class Session {
 public:
  // Verifies each graph, asks the device for each node before anything is allocated. Throws naming the operation and the device.
  // `schedule`, unless it is given: all nodes in their order, on one stream. `exchange` may be null where no action needs other ranks.
  Session(std::shared_ptr<const DeviceHandle> device, std::vector<Prepared> graphs, const Scheduler& schedule = {},
          Exchange* exchange = nullptr);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  // Waits for what is queued: it uses memory and kernels that are freed here.
  ~Session();

  const DeviceHandle& device() const { return *device_; }
  const plan::Arena& plan() const { return plan_; }
  const std::vector<Prepared>& graphs() const { return graphs_; }
  // Throws a bug where there is none of this name.
  const Graph& graph(std::string_view name) const { return graphs_[find(name)].graph; }

  // Kernels that are prepared: one for all nodes that the device sees as equal.
  size_t kernels() const { return kernels_.size(); }

  // Takes the arena; states start at zero. Before it nothing can run.
  void allocate();

  // The actions of a graph, with the nodes that `chosen` takes, ready to run; the number names it.
  size_t program(std::string_view graph, const std::function<bool(const Node&)>& chosen);
  void run(size_t program) { executor_.run(program); }

  TensorRef input(std::string_view graph, std::string_view name, size_t slot = 0) const;
  TensorRef output(std::string_view graph, std::string_view name, size_t slot = 0) const;
  bool has_input(std::string_view graph, std::string_view name) const;
  bool has_output(std::string_view graph, std::string_view name) const;
  TensorRef tensor(std::string_view graph, TensorId id, size_t slot = 0) const { return tensor(find(graph), id, slot); }
  // A state by its name, in any graph; address null where there is none.
  TensorRef state(std::string_view name) const;

  // Copies between the host and the arena. Writing returns when `from` may be reused, whatever is still queued; reading waits for what was
  // launched. Readback (kernel/runtime/readback.h) does not wait.
  void write(const TensorRef& to, const void* from, uint64_t bytes) { write_bytes(to, 0, from, bytes); }
  void read(const TensorRef& from, void* to, uint64_t bytes) { read_bytes(from, 0, to, bytes); }
  void write_bytes(const TensorRef& to, uint64_t offset, const void* from, uint64_t bytes);
  void read_bytes(const TensorRef& from, uint64_t offset, void* to, uint64_t bytes);
  void wait() { executor_.wait(); }
  // The stream for copies: work that is queued on it runs after all earlier programs and before all later ones.
  const DeviceStream& stream() const { return executor_.stream(); }

 private:
  size_t find(std::string_view graph) const;
  TensorRef tensor(size_t graph, TensorId id, size_t slot) const;
  // Prepares what the schedule of a graph launches, and counts the workspace of each stream.
  void prepare(size_t graph);

  std::shared_ptr<const DeviceHandle> device_;
  Exchange* exchange_;
  std::vector<Prepared> graphs_;
  std::vector<plan::Schedule> schedules_;
  KernelTable kernels_;
  std::vector<std::vector<const PreparedKernel*>> kernel_of_;  // by graph and node
  std::vector<uint64_t> workspace_bytes_;                      // by stream
  plan::Arena plan_;
  DeviceMemory arena_;
  Executor executor_;
  Staging staging_;
};

}  // namespace corral::runtime
