#include "kernel/graph/read.h"

#include <map>
#include <vector>

#include "kernel/graph/line.h"
#include "kernel/graph/words.h"

namespace corral::graph {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text), b_(g_) {}

  Graph run() {
    size_t number = 0;
    for (std::string_view rest = text_; !rest.empty();) {
      const size_t size = rest.find('\n');
      Line line(rest.substr(0, size), ++number);
      rest.remove_prefix(size == std::string_view::npos ? rest.size() : size + 1);
      if (line.ends() || line.next() == '#') continue;
      statement(line);
      line.end();
    }
    check_types();
    return std::move(g_);
  }

 private:
  void statement(Line& line) {
    if (line.take("list")) return list(line);
    if (line.take("input")) return g_.inputs.push_back(port(line));
    if (line.take("output")) return g_.outputs.push_back(port(line));
    if (line.take("tensor")) return (void)tensor(line);
    if (line.take("state")) return state(line);
    if (line.take("group")) return group(line);
    if (line.choice(b_.phase, kPhaseWords)) {
      when_ = When::EVERY;
      line.choice(when_, kWhenWords);
      b_.scope = line.ends() ? "" : line.name("a scope");
      return;
    }
    if (line.take('|')) return part(line);
    if (const char c = line.next(); c == '%' || c == '+' || c == '-' || c == '=') return node(line);
    line.expected("list, input, state, group, a phase, a node, output or tensor");
  }

  void list(Line& line) {
    line.need('$');
    const auto number = line.integer<uint32_t>("the number of a list");
    line.need('=');
    line.need('(');
    if (!lists_.emplace(number, values(line)).second) line.wrong("the list ${} exists already", number);
  }

  // After the opening parenthesis.
  Attribute values(Line& line) {
    Attribute a;
    while (!line.take(')')) {
      value(line, a);
      if (!a.numbers.empty() && !a.integers.empty()) line.wrong("a list has numbers or integers, not both");
    }
    return a;
  }

  // Adds one to the integers, or to the numbers where it has a point, an exponent or is a word.
  void value(Line& line, Attribute& a) {
    const std::string_view word = line.word();
    if (word.find_first_not_of("-0123456789") == std::string_view::npos)
      a.integers.push_back(line.number<int64_t>(word, "an integer or a number"));
    else
      a.numbers.push_back(line.number<double>(word, "an integer or a number"));
  }

  Attribute attribute(Line& line) {
    const uint32_t name = b_.name(line.name("the name of an attribute"));
    line.need('=');
    Attribute a;
    if (line.take('(')) {
      a = values(line);
    } else if (line.take('$')) {
      const auto number = line.integer<uint32_t>("the number of a list");
      const auto known = lists_.find(number);
      if (known == lists_.end()) line.wrong("no line above is the list ${}", number);
      a = known->second;
    } else if (line.has_name() && !line.is("inf") && !line.is("nan")) {
      a.text = line.name("a text");
    } else {
      Attribute one;
      value(line, one);
      if (one.integers.empty())
        a.number = one.numbers[0];
      else
        a.integer = one.integers[0];
    }
    a.name = name;
    return a;
  }

  Shape shape(Line& line) {
    Shape shape;
    line.need('[');
    while (!line.take(']')) shape.push_back(line.integer<int64_t>("an extent or \"]\""));
    return shape;
  }

  Layout layout(Line& line) {
    Layout l;
    l.global = shape(line);
    while (!line.take('}')) {
      const uint32_t mesh = b_.name(line.name("a mesh dimension or \"}\""));
      const auto parts = line.integer<uint32_t>("the ranks of the mesh dimension");
      if (line.take("axis")) {
        Cut& cut = l.cuts.emplace_back();
        cut.mesh = mesh;
        cut.parts = parts;
        cut.axis = line.integer<uint32_t>("the number of an axis");
        line.choice(cut.order, kOrderWords);
      } else if (line.take("owes")) {
        Owed& owed = l.owes.emplace_back();
        owed.mesh = mesh;
        owed.parts = parts;
        line.choice_of(owed.reduction, kReductionWords);
      } else {
        line.expected("axis or owes");
      }
    }
    return l;
  }

  // A tensor by number, perhaps with its name, and its type with its layout; 0 for "-".
  TensorId tensor(Line& line) {
    if (line.take('-')) return 0;
    line.need('%');
    const auto id = line.integer<TensorId>("the number of a tensor");
    // The text names every tensor, so a number beyond its size is a mistake that must not cost memory.
    if (id == 0 || id > text_.size()) line.wrong("%{} is not the number of a tensor: they are counted from 1", id);
    if (id >= g_.tensors.size()) {
      g_.tensors.resize(id + 1);
      seen_.resize(id + 1);
    }
    Seen& seen = seen_[id];
    if (seen.line == 0) seen.line = line.number();
    Tensor& known = g_.tensors[id];
    if (line.has_name() && !line.has_type()) {
      const uint32_t name = b_.name(line.name("a name"));
      if (seen.named && name != known.name) line.wrong("%{} is named \"{}\" above", id, g_.names[known.name]);
      seen.named = true;
      known.name = name;
    }
    if (!line.has_type()) return id;
    Tensor type;
    line.choice_of(type.dtype, kDTypeWords);
    type.shape = shape(line);
    type.activation = line.take('~');
    if (line.take('{')) type.layout = layout(line);
    type.name = known.name;
    if (seen.typed && type.encode() != known.encode()) line.wrong("%{} has another type above", id);
    seen.typed = true;
    known = std::move(type);
    return id;
  }

  void check_types() const {
    for (size_t id = 1; id < seen_.size(); ++id) {
      if (seen_[id].line == 0) fail("there is no tensor %{}, but there is %{}", id, seen_.size() - 1);
      if (!seen_[id].typed) fail("line {}: %{} has no type in any line", seen_[id].line, id);
    }
  }

  Port port(Line& line) {
    Port p;
    p.name = b_.name(line.name("the name of a port"));
    line.need(':');
    p.tensor = tensor(line);
    return p;
  }

  void state(Line& line) {
    State s;
    s.tensor = tensor(line);
    if (s.tensor == 0 || !seen_[s.tensor].typed) line.expected("the type of the state");
    line.choice_of(s.kind, kStateWords);
    while (!line.ends()) {
      if (line.take("trained"))
        s.trained = true;
      else if (line.take("saved"))
        s.saved = true;
      else if (line.take("keeps_type"))
        s.keeps_type = true;
      else if (line.take("of"))
        s.of = tensor(line);
      else if (line.take("init="))
        line.choice_of(s.init, kInitWords);
      else if (line.take("init_scale="))
        s.init_scale = line.number<double>(line.word(), "a number");
      else if (line.take("saved_name="))
        s.saved_name = b_.name(line.name("a name"));
      else
        line.expected("trained, saved, of, init=, init_scale=, keeps_type or saved_name=");
    }
    g_.states.push_back(std::move(s));
  }

  void group(Line& line) {
    Group group;
    group.tensor = tensor(line);
    if (!line.take("of")) line.expected("the type of the group, and of which tensors it is");
    while (!line.ends()) group.members.push_back(tensor(line));
    g_.groups.push_back(std::move(group));
  }

  // A node or a part of one.
  template <class N>
  N operation(Line& line) {
    N n;
    for (bool more = !line.take('='); more; more = !line.take('=')) {
      if (!n.outputs.empty()) line.need(',');
      if (line.take('+')) {
        if (n.outputs.size() >= 32) line.wrong("only the first 32 outputs of a node may be added to");
        n.accumulate |= 1u << n.outputs.size();
      }
      n.outputs.push_back(tensor(line));
    }
    n.op = b_.name(line.name("the name of an operation"));
    line.need('(');
    while (!line.take(')')) {
      if (!n.inputs.empty()) line.need(',');
      n.inputs.push_back(tensor(line));
    }
    while (!line.ends()) n.attributes.push_back(attribute(line));
    return n;
  }

  void node(Line& line) {
    Node n = operation<Node>(line);
    n.scope = b_.name(b_.scope);
    n.phase = b_.phase;
    n.when = when_;
    g_.nodes.push_back(std::move(n));
  }

  void part(Line& line) {
    if (g_.nodes.empty()) line.wrong("a part of a body has no node above it");
    g_.nodes.back().body.push_back(operation<BodyNode>(line));
  }

  struct Seen {
    size_t line = 0;  // that names it first
    bool named = false, typed = false;
  };
  std::string_view text_;
  Graph g_;
  GraphBuilder b_;
  When when_{};
  std::map<uint32_t, Attribute> lists_;
  std::vector<Seen> seen_;  // by tensor
};

}  // namespace

Graph read(std::string_view text) { return Reader(text).run(); }

}  // namespace corral::graph
