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
  std::vector<std::pair<TensorId, int64_t>> constants{};  // states I64 [1], and the values that `allocate` sets
};

// Makes the actions of a graph as the session runs it: a fused node that the device does not know is already replaced by its body.
using Scheduler = std::function<plan::Schedule(const Prepared&)>;

class Session {
 public:
  // Verifies each graph and asks the device for each node before anything is allocated. Throws naming the operation and the device.
  // Without `schedule` all nodes run in their order on one stream. `exchange` may be null if no action needs other ranks.
  Session(std::shared_ptr<const DeviceHandle> device, std::vector<Prepared> graphs, const Scheduler& schedule = {},
          Exchange* exchange = nullptr);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  // Waits for queued work, as it uses memory and kernels that are freed here.
  ~Session();

  const DeviceHandle& device() const { return *device_; }
  const plan::Arena& plan() const { return plan_; }
  const std::vector<Prepared>& graphs() const { return graphs_; }
  // Throws a bug if there is no graph of this name.
  const Graph& graph(std::string_view name) const { return graphs_[find(name)].graph; }

  // Number of prepared kernels: one for all nodes that the device sees as equal.
  size_t kernels() const { return kernels_.size(); }

  // Allocates the arena and sets the states to zero. Call before the first run.
  void allocate();

  // Prepares the actions of a graph, restricted to the nodes that `chosen` accepts. Returns a handle for `run`.
  size_t program(std::string_view graph, const std::function<bool(const Node&)>& chosen);
  void run(size_t program) { executor_.run(program); }

  TensorRef input(std::string_view graph, std::string_view name, size_t slot = 0) const;
  TensorRef output(std::string_view graph, std::string_view name, size_t slot = 0) const;
  bool has_input(std::string_view graph, std::string_view name) const;
  bool has_output(std::string_view graph, std::string_view name) const;
  TensorRef tensor(std::string_view graph, TensorId id, size_t slot = 0) const { return tensor(find(graph), id, slot); }
  // Finds a state by its name in any graph. The address is null if there is none.
  TensorRef state(std::string_view name) const;

  // Copy between the host and the arena. `write` returns as soon as `from` may be reused, even if the copy is still queued. `read` waits
  // for all launched work; Readback (kernel/runtime/readback.h) does not.
  void write(const TensorRef& to, const void* from, uint64_t bytes) { write_bytes(to, 0, from, bytes); }
  void read(const TensorRef& from, void* to, uint64_t bytes) { read_bytes(from, 0, to, bytes); }
  void write_bytes(const TensorRef& to, uint64_t offset, const void* from, uint64_t bytes);
  void read_bytes(const TensorRef& from, uint64_t offset, void* to, uint64_t bytes);
  void wait() { executor_.wait(); }
  // The stream of copies. Its work runs after all earlier programs and before all later ones.
  const DeviceStream& stream() const { return executor_.stream(); }

 private:
  size_t find(std::string_view graph) const;
  TensorRef tensor(size_t graph, TensorId id, size_t slot) const;
  // Prepares the kernels that the schedule of a graph launches, and finds the largest workspace of each stream.
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
