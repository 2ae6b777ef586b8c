#include "kernel/graph/print.h"

#include <array>
#include <charconv>
#include <map>
#include <sstream>

#include "kernel/graph/words.h"

namespace corral::graph {
namespace {

template <class Words, class E>
const char* pick(const Words& words, E value) {
  const auto i = static_cast<size_t>(value);
  return i < words.size() ? words[i] : "?";
}

// As a word, or in quotes.
std::string quoted(const std::string& name) {
  if (is_word(name)) return name;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "\"";
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      text += {'\\', c};
    else if (byte < ' ' || byte == 0x7f)
      text += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    else
      text += c;
  }
  return text + '"';
}

// The shortest digits that read back as the same number, with a point or an exponent to tell it from an integer.
std::string number_text(double number) {
  std::array<char, 32> digits;
  std::string text(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}
std::string number_text(int64_t number) { return std::to_string(number); }

template <class T>
std::string list_text(const std::vector<T>& list) {
  std::string text = "(";
  for (size_t i = 0; i < list.size(); ++i) text += (i ? " " : "") + number_text(list[i]);
  return text + ")";
}

// A graph is printed when something is wrong with it, so any number in it may be out of range.
class Printer {
 public:
  Printer(const Graph& g, std::ostream& out) : g_(g), out_(out), shown_(g.tensors.size()) {}

  void run() {
    for (const Node& n : g_.nodes) {
      lists(n.attributes);
      for (const BodyNode& part : n.body) lists(part.attributes);
    }
    ports("input ", g_.inputs);
    for (const State& s : g_.states) state(s);
    for (const Group& group : g_.groups) this->group(group);
    nodes();
    ports("output", g_.outputs);
    for (TensorId t = 1; t < g_.tensors.size(); ++t)
      if (!shown_[t]) tensor(t, out_ << "tensor ") << "\n";
    totals();
  }

 private:
  std::string text(uint32_t name) const { return name < g_.names.size() ? quoted(g_.names[name]) : "?"; }
  bool is_empty(uint32_t name) const { return name < g_.names.size() && g_.names[name].empty(); }

  std::ostream& named(TensorId id, std::ostream& out) {
    if (id == 0) return out << "-";
    out << "%" << id;
    if (id >= g_.tensors.size()) return out << " ?";
    return is_empty(g_.tensors[id].name) ? out : out << " " << text(g_.tensors[id].name);
  }

  // With its type.
  std::ostream& tensor(TensorId id, std::ostream& out) {
    named(id, out);
    if (id == 0 || id >= g_.tensors.size()) return out;
    const Tensor& t = g_.tensors[id];
    shown_[id] = true;
    out << " " << dtype_name(t.dtype) << shape_text(t.shape);
    if (t.activation) out << "~";
    if (t.layout.global.empty() && t.layout.cuts.empty() && t.layout.owes.empty()) return out;
    out << "{" << shape_text(t.layout.global);
    for (const Cut& c : t.layout.cuts) {
      out << " " << text(c.mesh) << " " << c.parts << " axis " << c.axis;
      if (c.order != Order::CONTIGUOUS) out << " " << pick(kOrderWords, c.order);
    }
    for (const Owed& o : t.layout.owes) out << " " << text(o.mesh) << " " << o.parts << " owes " << pick(kReductionWords, o.reduction);
    return out << "}";
  }

  void lists(const std::vector<Attribute>& attributes) {
    for (const Attribute& a : attributes)
      for (const std::string& list :
           {a.numbers.size() > kShortList ? list_text(a.numbers) : "", a.integers.size() > kShortList ? list_text(a.integers) : ""})
        if (!list.empty())
          if (const auto [at, added] = lists_.emplace(list, lists_.size() + 1); added)
            out_ << "list   $" << at->second << " = " << list << "\n";
  }

  std::string list(std::string text) const {
    const auto shown = lists_.find(text);
    return shown == lists_.end() ? text : "$" + std::to_string(shown->second);
  }

  void attribute(const Attribute& a) {
    out_ << " " << text(a.name) << "=";
    if (!a.text.empty())
      out_ << quoted(a.text);
    else if (!a.numbers.empty())
      out_ << list(list_text(a.numbers));
    else if (!a.integers.empty())
      out_ << list(list_text(a.integers));
    else if (a.number != 0)
      out_ << number_text(a.number);
    else
      out_ << a.integer;
  }

  void node(const Node& n, const char* indent) {
    out_ << indent;
    for (size_t i = 0; i < n.outputs.size(); ++i) {
      out_ << (i ? ", " : "") << (i < 32 && n.accumulate >> i & 1 ? "+" : "");
      tensor(n.outputs[i], out_);
    }
    out_ << " = " << text(n.op) << "(";
    for (size_t i = 0; i < n.inputs.size(); ++i) named(n.inputs[i], out_ << (i ? ", " : ""));
    out_ << ")";
    for (const Attribute& a : n.attributes) attribute(a);
    out_ << "\n";
    for (const Node& part : body_of(n)) node(part, "      | ");
  }

  // Each run of nodes of one scope, phase and kind of micro-batch below a line that says these.
  void nodes() {
    const Node* before = nullptr;
    for (const Node& n : g_.nodes) {
      if (!before || n.scope != before->scope || n.phase != before->phase || n.when != before->when) {
        out_ << pick(kPhaseWords, n.phase);
        if (n.when != When::EVERY) out_ << " " << pick(kWhenWords, n.when);
        if (!is_empty(n.scope)) out_ << " " << text(n.scope);
        out_ << "\n";
      }
      before = &n;
      node(n, "    ");
    }
  }

  void ports(const char* word, const std::vector<Port>& ports) {
    for (const Port& p : ports) tensor(p.tensor, out_ << word << " " << text(p.name) << ": ") << "\n";
  }

  void state(const State& s) {
    tensor(s.tensor, out_ << "state  ") << " " << pick(kStateWords, s.kind) << (s.trained ? " trained" : "") << (s.saved ? " saved" : "");
    if (s.of) out_ << " of %" << s.of;
    if (s.init != InitKind::ZEROS) out_ << " init=" << pick(kInitWords, s.init);
    if (s.init_scale != 0) out_ << " init_scale=" << number_text(s.init_scale);
    if (s.keeps_type) out_ << " keeps_type";
    if (s.saved_name) out_ << " saved_name=" << text(s.saved_name);
    out_ << "\n";
  }

  void group(const Group& group) {
    tensor(group.tensor, out_ << "group  ") << " of";
    for (const TensorId t : group.members) named(t, out_ << " ");
    out_ << "\n";
  }

  void totals() {
    std::array<uint64_t, kStateWords.size()> bytes{};
    uint64_t total = 0;
    for (const State& s : g_.states) {
      if (s.tensor >= g_.tensors.size() || static_cast<size_t>(s.kind) >= kStateWords.size()) continue;
      uint64_t count = 1;
      for (int64_t d : g_.tensors[s.tensor].shape) count *= static_cast<uint64_t>(d);  // wraps where a shape is nonsense
      const uint64_t size = bytes_of(g_.tensors[s.tensor].dtype, static_cast<int64_t>(count));
      bytes[static_cast<size_t>(s.kind)] += size;
      total += size;
    }
    out_ << "# " << g_.nodes.size() << " nodes, " << (g_.tensors.empty() ? 0 : g_.tensors.size() - 1) << " tensors, " << g_.states.size()
         << " states of " << total << " bytes";
    const char* before = ": ";
    for (size_t k = 0; k < kStateWords.size(); ++k)
      if (bytes[k]) {
        out_ << before << kStateWords[k] << "s " << bytes[k];
        before = ", ";
      }
    out_ << "\n";
  }

  const Graph& g_;
  std::ostream& out_;
  std::vector<bool> shown_;              // by tensor: its type was printed
  std::map<std::string, size_t> lists_;  // the long ones, by their text
};

}  // namespace

const char* dtype_name(DType dtype) { return pick(kDTypeWords, dtype); }

std::string shape_text(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? " " : "") + std::to_string(shape[i]);
  return text + "]";
}

void print(const Graph& g, std::ostream& out) { Printer(g, out).run(); }

std::string text_of(const Graph& g) {
  std::ostringstream out;
  print(g, out);
  return out.str();
}

}  // namespace corral::graph
