// The states of a session as a source and a sink of checkpoint tensors.
#pragma once

#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

#include "kernel/checkpoint/tensor_io.h"
#include "kernel/runtime/session.h"

namespace corral::train {

class SessionTensors final : public checkpoint::TensorSource, public checkpoint::TensorSink {
 public:
  // `external_name` gives the name of a state in the checkpoint, or "" if the checkpoint does not store it.
  SessionTensors(runtime::Session& session, const std::function<std::string(const Graph&, const State&)>& external_name);

  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  void read(size_t tensor, uint64_t offset, void* to, uint64_t size) override;
  void write(size_t tensor, uint64_t offset, const void* data, uint64_t size) override;
  // Sets the file into which all tensors are written.
  void set_file(const std::string& name) {
    for (TensorInfo& info : infos_) info.file = name;
  }

 private:
  runtime::Session& session_;
  std::vector<TensorInfo> infos_;
  std::vector<runtime::TensorRef> tensors_;
};

// The parameters in `names`, under their own names.
SessionTensors parameters_of(runtime::Session& session, const std::unordered_set<std::string>& names);
// The masters of the parameters in `names`, under the names of the parameters.
SessionTensors masters_of(runtime::Session& session, const std::unordered_set<std::string>& names);
// The saved states that are not parameters, under State.saved_name; without the states of the roles in `without`.
SessionTensors training_state_of(runtime::Session& session, const std::vector<std::string>& without = {});
// The roles of the optimizer states: each is saved as ROLE.PARAMETER and has the parameter's shape.
std::vector<std::string> roles_of(const runtime::Session& session);
// The optimizer states of a role, under the names of their parameters.
SessionTensors states_of(runtime::Session& session, const std::string& role);
// The fp32 values that the optimizer updates, under the names of the parameters: masters, or the parameters themselves if they have none.
SessionTensors masters_of_trained(runtime::Session& session);
// The accumulated gradients, under the names of their parameters.
SessionTensors gradients_of(runtime::Session& session);

}  // namespace corral::train
