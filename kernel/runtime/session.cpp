#include "kernel/runtime/session.h"

#include <algorithm>

#include "corral/error.h"
#include "kernel/graph/op.h"
#include "kernel/graph/verify.h"

namespace corral::runtime {
namespace {

// A node in the form of the C ABI; the arrays live as long as this object.
class AbiNode {
 public:
  AbiNode(const Graph& g, const Node& n) {
    layouts_.reserve(n.inputs.size() + n.outputs.size());
    for (TensorId t : n.inputs) inputs_.push_back(layout(g, t));
    for (TensorId t : n.outputs) outputs_.push_back(layout(g, t));
    const graph::OpDef& def = graph::find_op(op_of(g, n));
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

  static corral_attribute attribute(const Graph& g, const Attribute& a, const graph::OpDef& def) {
    corral_attribute result{CORRAL_SIZE(corral_attribute), g.names[a.name].c_str(), nullptr, nullptr, nullptr, 0};
    const auto known = std::find_if(def.attrs.begin(), def.attrs.end(), [&](const graph::AttrDef& d) { return d.name == g.names[a.name]; });
    switch (known == def.attrs.end() ? graph::AttrKind::kText : known->kind) {
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
    return result;
  }

  std::vector<corral_layout> layouts_;
  std::vector<const corral_layout*> inputs_, outputs_;
  std::vector<corral_attribute> attributes_;
  std::vector<const corral_attribute*> attribute_pointers_;
  corral_node node_{};
};

}  // namespace

Session::Session(const DeviceRef& device, std::vector<Graph> graphs) : device_(device), graphs_(std::move(graphs)) {
  try {
    prepare();
  } catch (...) {
    release();
    throw;
  }
}

Session::~Session() { release(); }

void Session::prepare() {
  std::vector<const Graph*> pointers;
  for (const Graph& g : graphs_) {
    graph::verify(g);
    for (size_t i = 0; i < g.nodes.size(); ++i) prepare_node(g, i, i ? kernels_.back() : kernels_.emplace_back());
    if (g.nodes.empty()) kernels_.emplace_back();
    pointers.push_back(&g);
  }
  plan_ = passes::plan_memory(pointers, workspace_bytes_);
}

void Session::prepare_node(const Graph& g, size_t i, std::vector<corral_kernel*>& kernels) {
  const AbiNode node(g, g.nodes[i]);
  const corral_status supported = device_.api->supports(device_.instance, node.get());
  if (supported == CORRAL_UNSUPPORTED) fail("{}: not offered by device {}", graph::where(g, i), device_.name);
  device_.check(supported, "supports");
  corral_kernel* kernel = nullptr;
  uint64_t workspace = 0;
  device_.check(device_.api->prepare(device_.instance, node.get(), &kernel, &workspace), "prepare");
  kernels.push_back(kernel);
  workspace_bytes_ = std::max(workspace_bytes_, workspace);
}

void Session::release() {
  for (const auto& kernels : kernels_)
    for (corral_kernel* k : kernels) device_.api->release(k);
  kernels_.clear();
  if (stream_) device_.api->stream_close(stream_);
  if (arena_) device_.api->free(device_.instance, arena_);
  stream_ = nullptr;
  arena_ = nullptr;
}

void Session::allocate() {
  void* memory = nullptr;
  device_.check(device_.api->allocate(device_.instance, plan_.total, CORRAL_MEMORY_DEVICE, 0, &memory), "allocate");
  arena_ = static_cast<char*>(memory);
  device_.check(device_.api->stream_open(device_.instance, &stream_), "stream_open");
  for (const Graph& g : graphs_)
    for (const State& s : g.states) {
      const TensorRef t = tensor(static_cast<size_t>(&g - graphs_.data()), s.tensor);
      device_.check(device_.api->zero(device_.instance, t.address, t.bytes(), stream_), "zero");
    }
}

size_t Session::program(size_t graph, const std::function<bool(const Node&)>& chosen) {
  if (!arena_) fail_bug("session: a program before the arena");
  const Graph& g = graphs_[graph];
  Program p;
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    if (!chosen(n)) continue;
    p.launches.push_back(
        {kernels_[graph][i], static_cast<uint32_t>(p.addresses.size()), static_cast<uint32_t>(p.addresses.size() + n.inputs.size())});
    for (TensorId t : n.inputs) p.addresses.push_back(t ? tensor(graph, t).address : nullptr);
    for (TensorId t : n.outputs) p.addresses.push_back(t ? tensor(graph, t).address : nullptr);
  }
  programs_.push_back(std::move(p));
  return programs_.size() - 1;
}

void Session::run(size_t program) {
  const Program& p = programs_[program];
  void* const workspace = arena_ + plan_.workspace;
  for (const Launch& l : p.launches) {
    const corral_status status =
        device_.api->launch(l.kernel, p.addresses.data() + l.first_input, p.addresses.data() + l.first_output, workspace, stream_);
    if (status != CORRAL_OK) device_.check(status, "launch");
  }
}

TensorRef Session::input(size_t graph, std::string_view name) const {
  const TensorId t = find_port(graphs_[graph], graphs_[graph].inputs, name);
  if (!t) fail_bug("session: no input \"{}\"", name);
  return tensor(graph, t);
}

TensorRef Session::output(size_t graph, std::string_view name) const {
  const TensorId t = find_port(graphs_[graph], graphs_[graph].outputs, name);
  if (!t) fail_bug("session: no output \"{}\"", name);
  return tensor(graph, t);
}

TensorRef Session::tensor(size_t graph, TensorId id) const {
  const uint64_t offset = plan_.offsets[graph][id];
  const Tensor& t = graphs_[graph].tensors[id];
  return {offset == passes::MemoryPlan::kAbsent || !arena_ ? nullptr : arena_ + offset, t.dtype, t.shape};
}

TensorRef Session::state(std::string_view name) const {
  for (size_t i = 0; i < graphs_.size(); ++i)
    for (const State& s : graphs_[i].states)
      if (name_of(graphs_[i], s.tensor) == name) return tensor(i, s.tensor);
  return {};
}

void Session::write(const TensorRef& to, const void* from, uint64_t bytes) {
  if (!to.address || bytes > to.bytes()) fail_bug("session: {} bytes into a tensor of {}", bytes, to.bytes());
  device_.check(device_.api->copy(device_.instance, to.address, from, bytes, stream_), "copy");
}

void Session::read(const TensorRef& from, void* to, uint64_t bytes) {
  if (!from.address || bytes > from.bytes()) fail_bug("session: {} bytes of a tensor of {}", bytes, from.bytes());
  device_.check(device_.api->copy(device_.instance, to, from.address, bytes, stream_), "copy");
  wait();
}

void Session::wait() { device_.check(device_.api->stream_wait(stream_), "stream_wait"); }

}  // namespace corral::runtime
