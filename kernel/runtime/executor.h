// Walks the actions of a schedule: launches, copies and exchanges on streams that events order.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "kernel/plan/actions.h"
#include "kernel/plugin/device.h"
#include "kernel/runtime/tensor_ref.h"

namespace corral::runtime {

// Moves tensors between ranks.
class Exchange {
 public:
  virtual ~Exchange() = default;
  // Queues a kCollective, kSend or kReceive. `tensors`: inputs and then outputs of the node, or the one tensor.
  virtual void enqueue(const plan::Action& action, std::span<const TensorRef> tensors, const DeviceStream& stream) = 0;
};

class Executor {
 public:
  Executor() = default;
  // `workspaces` contains one address for each stream. `exchange` may be null if the run has one rank.
  Executor(const DeviceHandle& device, std::vector<void*> workspaces, Exchange* exchange);

  // Adds a program: the actions of a schedule, restricted to the nodes that `chosen` accepts. Returns its handle for `run`.
  struct Binding {
    std::function<bool(uint32_t node)> chosen;
    std::function<const PreparedKernel&(uint32_t node)> kernel;
    std::function<TensorRef(TensorId tensor, uint32_t slot)> tensor;
  };
  size_t add(const Graph& g, const plan::Schedule& schedule, const Binding& binding);

  // Queues a program after all work of the first stream; later work of that stream runs after the whole program. The second run is
  // recorded if the device can record. From the third run on nothing is allocated.
  void run(size_t program);
  // Number of actions, over all programs, whose launches are recorded.
  size_t recorded() const;
  const DeviceStream& stream() const { return streams_[0]; }
  // Blocks the host until all streams are done.
  void wait() const;
  bool is_open() const { return !streams_.empty(); }

 private:
  struct Launch {
    const PreparedKernel* kernel;
    std::vector<void*> inputs, outputs;
  };
  struct Step {
    plan::Action action;
    std::vector<Launch> launches;    // of kRun
    std::vector<TensorRef> tensors;  // of all others
    DeviceEvent done;                // where a later step waits for this one
    DeviceRecording recording;
  };
  struct Program {
    std::vector<Step> steps;
    uint32_t streams = 1;
    bool ran = false;
  };
  void perform(Step& step, bool again);
  void launch(Step& step, bool again);
  void launch_each(const Step& step) const;

  const DeviceHandle* device_ = nullptr;
  Exchange* exchange_ = nullptr;
  bool records_ = false;
  std::vector<void*> workspaces_;
  std::vector<DeviceStream> streams_;
  std::vector<DeviceEvent> reached_;  // by stream: reached when a program begins (first stream) or ends (other streams)
  std::vector<Program> programs_;
};

}  // namespace corral::runtime
