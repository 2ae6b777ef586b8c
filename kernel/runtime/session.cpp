#include "kernel/runtime/session.h"

#include <algorithm>

#include "corral/error.h"
#include "kernel/graph/verify.h"
#include "kernel/passes/expand.h"

namespace corral::runtime {

Session::Session(std::shared_ptr<const DeviceHandle> device, std::vector<Prepared> graphs, const Scheduler& schedule, Exchange* exchange)
    : device_(std::move(device)), exchange_(exchange), graphs_(std::move(graphs)), kernels_(device_) {
  std::vector<plan::Scheduled> scheduled;
  schedules_.reserve(graphs_.size());
  for (Prepared& prepared : graphs_) {
    Graph& g = prepared.graph;
    graph::verify(g);
    g = passes::expand(std::move(g), [&](const Graph& of, const Node& n) { return !kernels_.unsupported(of, n).empty(); });
    schedules_.push_back(schedule ? schedule(prepared) : plan::in_order(g));
    plan::check(g, schedules_.back());
    prepare(schedules_.size() - 1);
    scheduled.push_back({&g, &schedules_.back()});
  }
  plan_ = plan::plan_arena(scheduled, workspace_bytes_);
}

void Session::prepare(size_t graph) {
  const Graph& g = graphs_[graph].graph;
  const plan::Schedule& schedule = schedules_[graph];
  workspace_bytes_.resize(std::max<size_t>(workspace_bytes_.size(), schedule.streams));
  std::vector<const PreparedKernel*>& kernels = kernel_of_.emplace_back(g.nodes.size());
  for (const plan::Action& a : schedule.actions) {
    if (a.kind != plan::ActionKind::kRun) continue;
    for (const uint32_t n : a.nodes) {
      if (!kernels[n]) kernels[n] = &kernels_.prepare(g, n);
      workspace_bytes_[a.stream] = std::max(workspace_bytes_[a.stream], kernels[n]->workspace());
    }
  }
}

Session::~Session() {
  if (!executor_.is_open()) return;
  try {
    wait();
  } catch (const std::exception& e) {
    LOG(ERROR) << e.what();
  }
}

void Session::allocate() {
  arena_ = device_->allocate(plan_.total);
  std::vector<void*> workspaces;
  for (const uint64_t offset : plan_.workspaces) workspaces.push_back(arena_.data() + offset);
  executor_ = Executor(*device_, std::move(workspaces), exchange_);
  staging_ = Staging(device_, plan_.total);
  device_->zero(arena_.data(), plan_.states, stream());
  for (const Prepared& p : graphs_)
    for (const auto& [state, value] : p.constants) write(tensor(p.name, state), &value, sizeof value);
}

size_t Session::program(std::string_view name, const std::function<bool(const Node&)>& chosen) {
  if (!arena_.data()) fail_bug("session: a program before the arena");
  const size_t graph = find(name);
  const Graph& g = graphs_[graph].graph;
  return executor_.add(
      g, schedules_[graph],
      {[&](uint32_t n) { return chosen(g.nodes[n]); }, [&](uint32_t n) -> const PreparedKernel& { return *kernel_of_[graph][n]; },
       [&](TensorId t, uint32_t slot) { return tensor(graph, t, slot); }});
}

size_t Session::find(std::string_view graph) const {
  std::string names;
  for (size_t i = 0; i < graphs_.size(); ++i) {
    if (graphs_[i].name == graph) return i;
    names += (names.empty() ? "" : ", ") + graphs_[i].name;
  }
  fail_bug("session: no graph \"{}\"; there are {}", graph, names);
}

bool Session::has_input(std::string_view graph, std::string_view name) const {
  const Graph& g = this->graph(graph);
  return find_port(g, g.inputs, name) != 0;
}

bool Session::has_output(std::string_view graph, std::string_view name) const {
  const Graph& g = this->graph(graph);
  return find_port(g, g.outputs, name) != 0;
}

TensorRef Session::input(std::string_view graph, std::string_view name, size_t slot) const {
  const Graph& g = this->graph(graph);
  const TensorId t = find_port(g, g.inputs, name);
  if (!t) fail_bug("session: no input \"{}\"", name);
  return tensor(graph, t, slot);
}

TensorRef Session::output(std::string_view graph, std::string_view name, size_t slot) const {
  const Graph& g = this->graph(graph);
  const TensorId t = find_port(g, g.outputs, name);
  if (!t) fail_bug("session: no output \"{}\"", name);
  return tensor(graph, t, slot);
}

TensorRef Session::tensor(size_t graph, TensorId id, size_t slot) const {
  const uint64_t offset = plan_.offset(graph, id, slot);
  const Tensor& t = graphs_[graph].graph.tensors[id];
  return {offset == plan::Arena::kAbsent || !arena_.data() ? nullptr : arena_.data() + offset, t.dtype, t.shape};
}

TensorRef Session::state(std::string_view name) const {
  for (size_t i = 0; i < graphs_.size(); ++i)
    if (const TensorId t = find_state(graphs_[i].graph, name)) return tensor(i, t, 0);
  return {};
}

void Session::write_bytes(const TensorRef& to, uint64_t offset, const void* from, uint64_t bytes) {
  if (!to.address || bytes > to.bytes() || offset > to.bytes() - bytes)
    fail_bug("session: {} bytes into a tensor of {}", bytes, to.bytes());
  staging_.write(static_cast<char*>(to.address) + offset, from, bytes, stream());
}

void Session::read_bytes(const TensorRef& from, uint64_t offset, void* to, uint64_t bytes) {
  if (!from.address || bytes > from.bytes() || offset > from.bytes() - bytes)
    fail_bug("session: {} bytes of a tensor of {}", bytes, from.bytes());
  staging_.read(to, static_cast<const char*>(from.address) + offset, bytes, stream());
}

}  // namespace corral::runtime
