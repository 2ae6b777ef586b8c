// A run's graphs on a device: prepared once, planned over one arena, then launched without allocating.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corral/abi.h"
#include "corral/graph.h"
#include "kernel/passes/memory_plan.h"

namespace corral::runtime {

// An open device; the instance is the caller's and outlives the session.
struct DeviceRef {
  const corral_device* api = nullptr;
  corral_device_instance* instance = nullptr;
  std::string name;
  // Throws with the plugin's sentence where the status is not CORRAL_OK.
  void (*check)(corral_status status, const char* function) = nullptr;
};

// Bytes of a tensor in the arena.
struct TensorRef {
  void* address = nullptr;
  DType dtype = DType::DTYPE_NONE;
  Shape shape;
  uint64_t bytes() const { return bytes_of(dtype, elements(shape)); }
};

class Session {
 public:
  // Verifies each graph, asks the device for each node before anything is allocated. Throws naming the operation and the device.
  Session(const DeviceRef& device, std::vector<Graph> graphs);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const passes::MemoryPlan& plan() const { return plan_; }
  const Graph& graph(size_t i) const { return graphs_[i]; }

  // Takes the arena; states start at zero. Before it nothing can run.
  void allocate();

  // The nodes of a graph that `chosen` takes, as a list ready to launch; the number names it.
  size_t program(size_t graph, const std::function<bool(const Node&)>& chosen);
  void run(size_t program);

  TensorRef input(size_t graph, std::string_view name) const;
  TensorRef output(size_t graph, std::string_view name) const;
  bool has_input(size_t graph, std::string_view name) const { return find_port(graphs_[graph], graphs_[graph].inputs, name) != 0; }
  TensorRef tensor(size_t graph, TensorId id) const;
  // A state by its name, in any graph; address null where there is none.
  TensorRef state(std::string_view name) const;

  // Copies between the host and the arena; reading waits for what was launched.
  void write(const TensorRef& to, const void* from, uint64_t bytes);
  void read(const TensorRef& from, void* to, uint64_t bytes);
  void wait();

 private:
  struct Launch {
    corral_kernel* kernel;
    uint32_t first_input, first_output;  // into addresses_ of the program
  };
  struct Program {
    std::vector<Launch> launches;
    std::vector<void*> addresses;
  };
  void prepare();
  void prepare_node(const Graph& g, size_t i, std::vector<corral_kernel*>& kernels);
  void release();

  DeviceRef device_;
  std::vector<Graph> graphs_;
  std::vector<std::vector<corral_kernel*>> kernels_;
  std::vector<Program> programs_;
  passes::MemoryPlan plan_;
  uint64_t workspace_bytes_ = 0;
  char* arena_ = nullptr;
  corral_stream* stream_ = nullptr;
};

}  // namespace corral::runtime
