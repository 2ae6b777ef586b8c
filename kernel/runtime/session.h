// A run's graphs on a device: prepared once, planned over one arena, then launched without allocating.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "corral/graph.h"
#include "kernel/passes/memory_plan.h"
#include "kernel/plugin/device.h"
#include "kernel/runtime/staging.h"

namespace corral::runtime {

// A tensor in the arena.
struct TensorRef {
  void* address = nullptr;
  DType dtype = DType::DTYPE_NONE;
  Shape shape;
  uint64_t bytes() const { return bytes_of(dtype, elements(shape)); }
};

// A graph that went through the passes, and the name by which it is found, such as "train".
struct Prepared {
  std::string name;
  Graph graph;
};

class Session {
 public:
  // Verifies each graph, asks the device for each node before anything is allocated. Throws naming the operation and the device.
  Session(std::shared_ptr<const DeviceHandle> device, std::vector<Prepared> graphs);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  // Waits for what is queued: it uses memory and kernels that are freed here.
  ~Session();

  const DeviceHandle& device() const { return *device_; }
  const passes::MemoryPlan& plan() const { return plan_; }
  const std::vector<Prepared>& graphs() const { return graphs_; }
  // Throws a bug where there is none of this name.
  const Graph& graph(std::string_view name) const { return graphs_[find(name)].graph; }

  // Takes the arena; states start at zero. Before it nothing can run.
  void allocate();

  // The nodes of a graph that `chosen` takes, as a list ready to launch; the number names it.
  size_t program(std::string_view graph, const std::function<bool(const Node&)>& chosen);
  void run(size_t program);

  TensorRef input(std::string_view graph, std::string_view name) const;
  TensorRef output(std::string_view graph, std::string_view name) const;
  bool has_input(std::string_view graph, std::string_view name) const;
  bool has_output(std::string_view graph, std::string_view name) const;
  TensorRef tensor(std::string_view graph, TensorId id) const { return tensor(find(graph), id); }
  // A state by its name, in any graph; address null where there is none.
  TensorRef state(std::string_view name) const;

  // Copies between the host and the arena. Writing returns when `from` may be reused, whatever is still queued; reading waits for what was
  // launched. Readback (kernel/runtime/readback.h) does not wait.
  void write(const TensorRef& to, const void* from, uint64_t bytes) { write_bytes(to, 0, from, bytes); }
  void read(const TensorRef& from, void* to, uint64_t bytes) { read_bytes(from, 0, to, bytes); }
  void write_bytes(const TensorRef& to, uint64_t offset, const void* from, uint64_t bytes);
  void read_bytes(const TensorRef& from, uint64_t offset, void* to, uint64_t bytes);
  void wait();
  // The stream that everything is queued on.
  const DeviceStream& stream() const { return stream_; }

 private:
  struct Launch {
    const PreparedKernel* kernel;
    uint32_t first_input, first_output;  // into addresses_ of the program
  };
  struct Program {
    std::vector<Launch> launches;
    std::vector<void*> addresses;
  };
  size_t find(std::string_view graph) const;
  TensorRef tensor(size_t graph, TensorId id) const;
  void prepare_node(size_t graph, size_t node);

  std::shared_ptr<const DeviceHandle> device_;
  std::vector<Prepared> graphs_;
  std::vector<std::vector<PreparedKernel>> kernels_;
  std::vector<Program> programs_;
  passes::MemoryPlan plan_;
  uint64_t workspace_bytes_ = 0;
  DeviceMemory arena_;
  DeviceStream stream_;
  Staging staging_;
};

}  // namespace corral::runtime
