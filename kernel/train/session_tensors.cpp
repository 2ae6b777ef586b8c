#include "kernel/train/session_tensors.h"

#include <algorithm>

namespace corral::train {
namespace {

std::string saved_name(const Graph& g, const State& s) {
  if (!s.saved || s.kind == StateKind::PARAMETER) return "";
  return s.saved_name ? g.names[s.saved_name] : name_of(g, s.tensor);
}

// The role of a state, such as "exp_avg" of exp_avg.NAME, which has the shape of the parameter NAME; "" for any other state.
std::string role_of(const Graph& g, const State& s) {
  std::string name = saved_name(g, s);
  if (name.empty() || !s.of || g.tensors[s.of].shape != g.tensors[s.tensor].shape) return "";
  const DType type = g.tensors[s.tensor].dtype;
  if (type != DType::F32 && type != DType::BF16 && type != DType::F16) return "";
  const std::string end = "." + name_of(g, s.of);
  if (!name.ends_with(end)) return "";
  name.resize(name.size() - end.size());
  return name;
}

bool has(const std::vector<std::string>& list, const std::string& word) { return std::find(list.begin(), list.end(), word) != list.end(); }

}  // namespace

SessionTensors::SessionTensors(runtime::Session& session, const std::function<std::string(const Graph&, const State&)>& external_name)
    : session_(session) {
  std::unordered_set<std::string> seen;  // graphs share states by name
  for (const auto& [graph, g, constants] : session.graphs())
    for (const State& s : g.states) {
      TensorInfo info;
      info.name = external_name(g, s);
      if (info.name.empty() || !seen.insert(info.name).second) continue;
      info.dtype = g.tensors[s.tensor].dtype;
      info.shape = g.tensors[s.tensor].shape;
      infos_.push_back(std::move(info));
      tensors_.push_back(session.tensor(graph, s.tensor));
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

SessionTensors training_state_of(runtime::Session& session, const std::vector<std::string>& without) {
  return {session, [&](const Graph& g, const State& s) {
            return without.empty() || !has(without, role_of(g, s)) ? saved_name(g, s) : std::string();
          }};
}

std::vector<std::string> roles_of(const runtime::Session& session) {
  std::vector<std::string> roles;
  for (const auto& [graph, g, constants] : session.graphs())
    for (const State& s : g.states)
      if (const std::string role = role_of(g, s); !role.empty() && !has(roles, role)) roles.push_back(role);
  return roles;
}

SessionTensors states_of(runtime::Session& session, const std::string& role) {
  return {session, [&](const Graph& g, const State& s) { return role_of(g, s) == role ? name_of(g, s.of) : ""; }};
}

SessionTensors masters_of_trained(runtime::Session& session) {
  std::unordered_set<std::string> mastered, moved;
  for (const auto& [graph, g, constants] : session.graphs())
    for (const State& s : g.states) {
      if (s.kind == StateKind::MASTER) mastered.insert(name_of(g, s.of));
      if (s.kind == StateKind::MOMENT) moved.insert(name_of(g, s.of));
    }
  return {session, [&](const Graph& g, const State& s) {
            if (s.kind == StateKind::MASTER) return name_of(g, s.of);
            const bool own = s.kind == StateKind::PARAMETER && g.tensors[s.tensor].dtype == DType::F32;
            const std::string name = own ? name_of(g, s.tensor) : "";
            return moved.contains(name) && !mastered.contains(name) ? name : std::string();
          }};
}

SessionTensors gradients_of(runtime::Session& session) {
  return {session, [](const Graph& g, const State& s) { return s.kind == StateKind::GRADIENT ? name_of(g, s.of) : ""; }};
}

}  // namespace corral::train
