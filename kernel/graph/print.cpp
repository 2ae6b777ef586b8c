#include "kernel/graph/print.h"

#include <array>

namespace corral::graph {
namespace {

constexpr std::array kDtypes{"none", "f32", "bf16", "f16", "f64", "i32", "i64", "u8", "bool", "e4m3", "e5m2", "e8m0", "e2m1"};
constexpr std::array kPhases{"forward", "backward", "update"};
constexpr std::array kWhens{"", " first", " last"};
constexpr std::array kKinds{"parameter", "gradient", "master", "moment", "cache", "statistic"};

template <class Names, class E>
const char* pick(const Names& names, E value) {
  const auto i = static_cast<size_t>(value);
  return i < names.size() ? names[i] : "?";
}

const std::string kNone = "?";

// A graph is looked at when something is wrong with it: every number may point nowhere.
const std::string& text(const Graph& g, uint32_t name) { return name < g.names.size() ? g.names[name] : kNone; }
const std::string& tensor_name(const Graph& g, TensorId id) { return id < g.tensors.size() ? text(g, g.tensors[id].name) : kNone; }

void print_tensor(const Graph& g, TensorId id, std::ostream& out) {
  if (id == 0) {
    out << "-";
    return;
  }
  out << "%" << id << " " << tensor_name(g, id);
  if (id < g.tensors.size()) out << " " << dtype_name(g.tensors[id].dtype) << shape_text(g.tensors[id].shape);
}

void print_attribute(const Graph& g, const Attribute& a, std::ostream& out) {
  out << text(g, a.name) << "=";
  if (!a.text.empty())
    out << a.text;
  else if (!a.numbers.empty())
    out << "(" << a.numbers.size() << " numbers)";
  else if (!a.integers.empty())
    out << "(" << a.integers.size() << " integers)";
  else if (a.number != 0)
    out << a.number;
  else
    out << a.integer;
}

void print_node(const Graph& g, const Node& n, const char* indent, std::ostream& out) {
  for (size_t i = 0; i < n.outputs.size(); ++i) {
    out << (i ? ", " : indent);
    if (i < 32 && n.accumulate >> i & 1) out << "+";
    print_tensor(g, n.outputs[i], out);
  }
  out << " = " << text(g, n.op) << "(";
  for (size_t i = 0; i < n.inputs.size(); ++i) {
    out << (i ? ", " : "");
    if (n.inputs[i])
      out << "%" << n.inputs[i] << " " << tensor_name(g, n.inputs[i]);
    else
      out << "-";
  }
  out << ")";
  for (const Attribute& a : n.attributes) print_attribute(g, a, out << " ");
  out << "\n";
  for (const Node& part : body_of(n)) print_node(g, part, "      | ", out);
}

void print_ports(const Graph& g, const char* what, const std::vector<Port>& ports, std::ostream& out) {
  for (const Port& p : ports) {
    print_tensor(g, p.tensor, out << what << text(g, p.name) << ": ");
    out << "\n";
  }
}

void print_state(const Graph& g, const State& s, std::ostream& out) {
  print_tensor(g, s.tensor, out << "state  ");
  out << " " << pick(kKinds, s.kind) << (s.trained ? " trained" : "") << (s.saved ? " saved" : "");
  if (s.of) out << " of %" << s.of;
  out << "\n";
}

void print_totals(const Graph& g, std::ostream& out) {
  std::array<uint64_t, kKinds.size()> bytes{};
  uint64_t total = 0;
  for (const State& s : g.states) {
    if (s.tensor >= g.tensors.size() || static_cast<size_t>(s.kind) >= kKinds.size()) continue;
    uint64_t count = 1;
    for (int64_t d : g.tensors[s.tensor].shape) count *= static_cast<uint64_t>(d);  // wraps where a shape is nonsense
    const uint64_t size = bytes_of(g.tensors[s.tensor].dtype, static_cast<int64_t>(count));
    bytes[static_cast<size_t>(s.kind)] += size;
    total += size;
  }
  out << g.nodes.size() << " nodes, " << (g.tensors.empty() ? 0 : g.tensors.size() - 1) << " tensors, " << g.states.size() << " states of "
      << total << " bytes";
  const char* before = ": ";
  for (size_t k = 0; k < kKinds.size(); ++k)
    if (bytes[k]) {
      out << before << kKinds[k] << "s " << bytes[k];
      before = ", ";
    }
  out << "\n";
}

}  // namespace

const char* dtype_name(DType dtype) { return pick(kDtypes, dtype); }

std::string shape_text(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? " " : "") + std::to_string(shape[i]);
  return text + "]";
}

void print(const Graph& g, std::ostream& out) {
  print_ports(g, "input  ", g.inputs, out);
  for (const State& s : g.states) print_state(g, s, out);
  uint32_t scope = UINT32_MAX;
  Phase phase{};
  When when{};
  for (const Node& n : g.nodes) {
    if (n.scope != scope || n.phase != phase || n.when != when)
      out << pick(kPhases, n.phase) << pick(kWhens, n.when) << " " << text(g, n.scope) << "\n";
    scope = n.scope;
    phase = n.phase;
    when = n.when;
    print_node(g, n, "    ", out);
  }
  print_ports(g, "output ", g.outputs, out);
  print_totals(g, out);
}

}  // namespace corral::graph
