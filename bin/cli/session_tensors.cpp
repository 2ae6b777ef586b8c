#include "bin/cli/session_tensors.h"

namespace corral::cli {

SessionTensors::SessionTensors(runtime::Session& session, const std::function<std::string(const Graph&, const State&)>& external_name)
    : session_(session) {
  std::unordered_set<std::string> seen;  // graphs share states by name
  for (size_t i = 0; i < session.graphs(); ++i)
    for (const State& s : session.graph(i).states) {
      const Graph& g = session.graph(i);
      TensorInfo info;
      info.name = external_name(g, s);
      if (info.name.empty() || !seen.insert(info.name).second) continue;
      info.dtype = g.tensors[s.tensor].dtype;
      info.shape = g.tensors[s.tensor].shape;
      infos_.push_back(std::move(info));
      tensors_.push_back(session.tensor(i, s.tensor));
    }
}

void SessionTensors::read(size_t tensor, uint64_t offset, void* to, uint64_t size) {
  session_.read_bytes(tensors_[tensor], offset, to, size);
}

void SessionTensors::write(size_t tensor, uint64_t offset, const void* data, uint64_t size) {
  session_.write_bytes(tensors_[tensor], offset, data, size);
}

SessionTensors parameters_of(runtime::Session& session, const std::unordered_set<std::string>& names) {
  return {session, [&](const Graph& g, const State& s) {
            return s.kind == StateKind::PARAMETER && names.contains(name_of(g, s.tensor)) ? name_of(g, s.tensor) : "";
          }};
}

SessionTensors masters_of(runtime::Session& session, const std::unordered_set<std::string>& names) {
  return {session, [&](const Graph& g, const State& s) {
            return s.kind == StateKind::MASTER && names.contains(name_of(g, s.of)) ? name_of(g, s.of) : "";
          }};
}

SessionTensors training_state_of(runtime::Session& session) {
  return {session, [](const Graph& g, const State& s) {
            if (!s.saved || s.kind == StateKind::PARAMETER) return std::string();
            return s.saved_name ? g.names[s.saved_name] : name_of(g, s.tensor);
          }};
}

SessionTensors gradients_of(runtime::Session& session) {
  return {session, [](const Graph& g, const State& s) { return s.kind == StateKind::GRADIENT ? name_of(g, s.of) : ""; }};
}

}  // namespace corral::cli
