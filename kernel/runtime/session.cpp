#include "kernel/runtime/session.h"

#include <algorithm>

#include "corral/error.h"
#include "kernel/graph/op.h"
#include "kernel/graph/verify.h"
#include "kernel/passes/expand.h"

namespace corral::runtime {
namespace {

// A node in the form of the C ABI; the arrays live as long as this object.
class AbiNode {
 public:
  AbiNode(const Graph& g, const Node& n) {
    layouts_.reserve(n.inputs.size() + n.outputs.size());
    for (TensorId t : n.inputs) inputs_.push_back(layout(g, t));
    for (TensorId t : n.outputs) outputs_.push_back(layout(g, t));
    const graph::OpDef* const def = graph::try_op(op_of(g, n));
    attributes_.reserve(n.attributes.size());
    for (const Attribute& a : n.attributes) attributes_.push_back(attribute(g, a, def));
    for (const corral_attribute& a : attributes_) attribute_pointers_.push_back(&a);
    node_ = {CORRAL_SIZE(corral_node),
             op_of(g, n).c_str(),
             static_cast<uint32_t>(inputs_.size()),
             static_cast<uint32_t>(outputs_.size()),
             static_cast<uint32_t>(attributes_.size()),
             n.accumulate,
             inputs_.data(),
             outputs_.data(),
             attribute_pointers_.data()};
  }
  const corral_node* get() const { return &node_; }

 private:
  const corral_layout* layout(const Graph& g, TensorId t) {
    if (t == 0) return nullptr;
    const Tensor& tensor = g.tensors[t];
    layouts_.push_back({CORRAL_SIZE(corral_layout), static_cast<uint32_t>(tensor.dtype), static_cast<uint32_t>(tensor.shape.size()),
                        tensor.shape.data(), nullptr});
    return &layouts_.back();
  }

  // The kernel does not know what attributes an operation has that is not its own: there the value that is set counts, and a zero is
  // given as both numbers.
  static corral_attribute attribute(const Graph& g, const Attribute& a, const graph::OpDef* def) {
    corral_attribute result{CORRAL_SIZE(corral_attribute), g.names[a.name].c_str(), nullptr, nullptr, nullptr, 0};
    if (def) {
      const auto known =
          std::find_if(def->attrs.begin(), def->attrs.end(), [&](const graph::AttrDef& d) { return d.name == g.names[a.name]; });
      switch (known == def->attrs.end() ? graph::AttrKind::kText : known->kind) {
        case graph::AttrKind::kInteger:
          result.integers = &a.integer, result.count = 1;
          break;
        case graph::AttrKind::kNumber:
          result.numbers = &a.number, result.count = 1;
          break;
        case graph::AttrKind::kNumbers:
          result.numbers = a.numbers.data(), result.count = a.numbers.size();
          break;
        case graph::AttrKind::kText:
          result.text = a.text.c_str();
          break;
      }
    } else if (!a.text.empty()) {
      result.text = a.text.c_str();
    } else if (!a.numbers.empty()) {
      result.numbers = a.numbers.data(), result.count = a.numbers.size();
    } else if (!a.integers.empty()) {
      result.integers = a.integers.data(), result.count = a.integers.size();
    } else {
      result.numbers = a.integer != 0 ? nullptr : &a.number;
      result.integers = a.number != 0 ? nullptr : &a.integer;
      result.count = 1;
    }
    return result;
  }

  std::vector<corral_layout> layouts_;
  std::vector<const corral_layout*> inputs_, outputs_;
  std::vector<corral_attribute> attributes_;
  std::vector<const corral_attribute*> attribute_pointers_;
  corral_node node_{};
};

}  // namespace

Session::Session(std::shared_ptr<const DeviceHandle> device, std::vector<Prepared> graphs)
    : device_(std::move(device)), graphs_(std::move(graphs)) {
  std::vector<const Graph*> pointers;
  kernels_.resize(graphs_.size());
  for (size_t i = 0; i < graphs_.size(); ++i) {
    Graph& g = graphs_[i].graph;
    graph::verify(g);
    g = passes::expand(std::move(g), [&](const Graph& of, const Node& n) { return !device_->unsupported(*AbiNode(of, n).get()).empty(); });
    for (size_t n = 0; n < g.nodes.size(); ++n) prepare_node(i, n);
    pointers.push_back(&g);
  }
  plan_ = passes::plan_memory(pointers, workspace_bytes_);
}

void Session::prepare_node(size_t graph, size_t n) {
  const Graph& g = graphs_[graph].graph;
  const AbiNode node(g, g.nodes[n]);
  if (const std::string reason = device_->unsupported(*node.get()); !reason.empty())
    fail("{}: not offered by {}: {}", graph::where(g, n), device_->plugin().label(), reason);
  kernels_[graph].push_back(device_->prepare(*node.get()));
  workspace_bytes_ = std::max(workspace_bytes_, kernels_[graph].back().workspace());
}

Session::~Session() {
  if (!stream_.get()) return;
  try {
    wait();
  } catch (const std::exception& e) {
    LOG(ERROR) << e.what();
  }
}

void Session::allocate() {
  arena_ = device_->allocate(plan_.total);
  stream_ = device_->open_stream();
  staging_ = Staging(device_, plan_.total);
  const auto zero = [&](const TensorRef& t) { device_->zero(t.address, t.bytes(), stream_); };
  for (size_t i = 0; i < graphs_.size(); ++i) {
    for (const State& s : graphs_[i].graph.states) zero(tensor(i, s.tensor));
    for (const Group& group : graphs_[i].graph.groups) zero(tensor(i, group.tensor));
  }
}

size_t Session::program(std::string_view name, const std::function<bool(const Node&)>& chosen) {
  if (!arena_.data()) fail_bug("session: a program before the arena");
  const size_t graph = find(name);
  const Graph& g = graphs_[graph].graph;
  Program p;
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    if (!chosen(n)) continue;
    p.launches.push_back(
        {&kernels_[graph][i], static_cast<uint32_t>(p.addresses.size()), static_cast<uint32_t>(p.addresses.size() + n.inputs.size())});
    for (TensorId t : n.inputs) p.addresses.push_back(t ? tensor(graph, t).address : nullptr);
    for (TensorId t : n.outputs) p.addresses.push_back(t ? tensor(graph, t).address : nullptr);
  }
  programs_.push_back(std::move(p));
  return programs_.size() - 1;
}

void Session::run(size_t program) {
  const Program& p = programs_[program];
  void* const workspace = arena_.data() + plan_.workspace;
  for (const Launch& l : p.launches)
    l.kernel->launch(p.addresses.data() + l.first_input, p.addresses.data() + l.first_output, workspace, stream_);
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

TensorRef Session::input(std::string_view graph, std::string_view name) const {
  const Graph& g = this->graph(graph);
  const TensorId t = find_port(g, g.inputs, name);
  if (!t) fail_bug("session: no input \"{}\"", name);
  return tensor(graph, t);
}

TensorRef Session::output(std::string_view graph, std::string_view name) const {
  const Graph& g = this->graph(graph);
  const TensorId t = find_port(g, g.outputs, name);
  if (!t) fail_bug("session: no output \"{}\"", name);
  return tensor(graph, t);
}

TensorRef Session::tensor(size_t graph, TensorId id) const {
  const uint64_t offset = plan_.offsets[graph][id];
  const Tensor& t = graphs_[graph].graph.tensors[id];
  return {offset == passes::MemoryPlan::kAbsent || !arena_.data() ? nullptr : arena_.data() + offset, t.dtype, t.shape};
}

TensorRef Session::state(std::string_view name) const {
  for (size_t i = 0; i < graphs_.size(); ++i)
    if (const TensorId t = find_state(graphs_[i].graph, name)) return tensor(i, t);
  return {};
}

void Session::write_bytes(const TensorRef& to, uint64_t offset, const void* from, uint64_t bytes) {
  if (!to.address || bytes > to.bytes() || offset > to.bytes() - bytes)
    fail_bug("session: {} bytes into a tensor of {}", bytes, to.bytes());
  staging_.write(static_cast<char*>(to.address) + offset, from, bytes, stream_);
}

void Session::read_bytes(const TensorRef& from, uint64_t offset, void* to, uint64_t bytes) {
  if (!from.address || bytes > from.bytes() || offset > from.bytes() - bytes)
    fail_bug("session: {} bytes of a tensor of {}", bytes, from.bytes());
  staging_.read(to, static_cast<const char*>(from.address) + offset, bytes, stream_);
}

void Session::wait() { stream_.wait(); }

}  // namespace corral::runtime
