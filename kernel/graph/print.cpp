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

void print_tensor(const Graph& g, TensorId id, std::ostream& out) {
  if (id == 0) {
    out << "-";
    return;
  }
  const Tensor& t = g.tensors[id];
  out << "%" << id << " " << g.names[t.name] << " " << dtype_name(t.dtype) << shape_text(t.shape);
}

void print_attribute(const Graph& g, const Attribute& a, std::ostream& out) {
  out << g.names[a.name] << "=";
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

void print_node(const Graph& g, const Node& n, std::ostream& out) {
  for (size_t i = 0; i < n.outputs.size(); ++i) {
    out << (i ? ", " : "    ");
    if (n.accumulate >> i & 1) out << "+";
    print_tensor(g, n.outputs[i], out);
  }
  out << " = " << op_of(g, n) << "(";
  for (size_t i = 0; i < n.inputs.size(); ++i) {
    out << (i ? ", " : "");
    if (n.inputs[i])
      out << "%" << n.inputs[i] << " " << name_of(g, n.inputs[i]);
    else
      out << "-";
  }
  out << ")";
  for (const Attribute& a : n.attributes) print_attribute(g, a, out << " ");
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
  for (const Port& p : g.inputs) print_tensor(g, p.tensor, out << "input  "), out << "\n";
  uint64_t total = 0;
  for (const State& s : g.states) {
    print_tensor(g, s.tensor, out << "state  ");
    out << " " << pick(kKinds, s.kind) << (s.trained ? " trained" : "") << (s.saved ? " saved" : "");
    if (s.of) out << " of %" << s.of;
    out << "\n";
    total += bytes_of(g.tensors[s.tensor].dtype, elements(g.tensors[s.tensor].shape));
  }
  uint32_t scope = UINT32_MAX;
  Phase phase{};
  When when{};
  for (const Node& n : g.nodes) {
    if (n.scope != scope || n.phase != phase || n.when != when)
      out << pick(kPhases, n.phase) << pick(kWhens, n.when) << " " << g.names[n.scope] << "\n";
    scope = n.scope;
    phase = n.phase;
    when = n.when;
    print_node(g, n, out);
  }
  for (const Port& p : g.outputs) print_tensor(g, p.tensor, out << "output " << g.names[p.name] << " "), out << "\n";
  out << g.nodes.size() << " nodes, " << g.tensors.size() - 1 << " tensors, " << g.states.size() << " states of " << total << " bytes\n";
}

}  // namespace corral::graph
