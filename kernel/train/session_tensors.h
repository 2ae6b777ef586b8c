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
  // `external_name` gives the name of a state in the checkpoint, or "" where it has no place there.
  SessionTensors(runtime::Session& session, const std::function<std::string(const Graph&, const State&)>& external_name);

  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  void read(size_t tensor, uint64_t offset, void* to, uint64_t size) override;
  void write(size_t tensor, uint64_t offset, const void* data, uint64_t size) override;
  // The file that all of them go to.
  void set_file(const std::string& name) {
    for (TensorInfo& info : infos_) info.file = name;
  }

 private:
  runtime::Session& session_;
  std::vector<TensorInfo> infos_;
  std::vector<runtime::TensorRef> tensors_;
};

// Parameters under their own names: those that `names` has.
SessionTensors parameters_of(runtime::Session& session, const std::unordered_set<std::string>& names);
// Masters under the names of their parameters.
SessionTensors masters_of(runtime::Session& session, const std::unordered_set<std::string>& names);
// Everything saved that is no parameter and has none of these roles, under State.saved_name.
SessionTensors training_state_of(runtime::Session& session, const std::vector<std::string>& without = {});
// What saved states are to the parameters whose shape they have: those that are saved as ROLE.PARAMETER.
std::vector<std::string> roles_of(const runtime::Session& session);
// Those of a role, under the names of their parameters.
SessionTensors states_of(runtime::Session& session, const std::string& role);
// What is updated in fp32 of all that is trained, under the names of the parameters: their masters, or themselves.
SessionTensors masters_of_trained(runtime::Session& session);
// Accumulated gradients under the names of their parameters.
SessionTensors gradients_of(runtime::Session& session);

}  // namespace corral::train
