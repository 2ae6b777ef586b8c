#include "kernel/graph/verify.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "kernel/graph/conversion.h"
#include "kernel/graph/op.h"
#include "kernel/graph/print.h"
#include "kernel/graph/uses.h"

namespace corral::graph {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 46;

class Verifier {
 public:
  explicit Verifier(const Graph& g) : g_(g), written_(g.tensors.size()), state_(g.tensors.size()), inner_(g.tensors.size()), uses_(g) {}

  void run() {
    if (g_.names.empty() || !g_.names[0].empty()) fail_bug("graph: names[0] must be empty");
    if (g_.tensors.empty()) fail_bug("graph: tensors[0] must be the absent tensor");
    for (size_t i = 1; i < g_.tensors.size(); ++i) tensor(i);
    std::unordered_set<std::string_view> state_names, port_names;
    for (const State& s : g_.states) {
      id(s.tensor, "state");
      if (s.tensor == 0) fail_bug("graph: a state without a tensor");
      if (state_[s.tensor]) fail_bug("graph: \"{}\" is a state twice", name_of(g_, s.tensor));
      choice(s.kind, StateKind::STATISTIC, "kind", name_of(g_, s.tensor));
      choice(s.init, InitKind::COPY, "init", name_of(g_, s.tensor));
      // States are shared between graphs by name.
      if (!state_names.insert(name_of(g_, s.tensor)).second) fail_bug("graph: two states are named \"{}\"", name_of(g_, s.tensor));
      if (s.of >= g_.tensors.size()) fail_bug("graph: state {} belongs to tensor {}, which does not exist", name_of(g_, s.tensor), s.of);
      if (s.init == InitKind::COPY && (s.of == 0 || g_.tensors[s.of].shape != g_.tensors[s.tensor].shape))
        fail_bug("graph: state \"{}\" starts as a copy of a tensor of another shape", name_of(g_, s.tensor));
      name(s.saved_name);
      written_[s.tensor] = state_[s.tensor] = true;
    }
    for (const Port& p : g_.inputs) {
      id(p.tensor, "input");
      name(p.name);
      if (!port_names.insert(g_.names[p.name]).second) fail_bug("graph: two inputs are named \"{}\"", g_.names[p.name]);
      if (p.tensor == 0) fail_bug("graph: input \"{}\" without a tensor", g_.names[p.name]);
      written_[p.tensor] = true;
    }
    for (const Group& group : g_.groups) check_group(group);
    for (size_t i = 0; i < g_.nodes.size(); ++i) node(i);
    for (const Port& p : g_.outputs) {
      id(p.tensor, "output");
      name(p.name);
      if (!written_[p.tensor]) fail_bug("graph: output \"{}\" is written by no node", g_.names[p.name]);
    }
  }

 private:
  void name(uint32_t n) const {
    if (n >= g_.names.size()) fail_bug("graph: name {} of {}", n, g_.names.size());
  }
  void id(TensorId t, const char* what) const {
    if (t >= g_.tensors.size()) fail_bug("graph: {} names tensor {} of {}", what, t, g_.tensors.size());
  }

  template <class E>
  void choice(E value, E last, const char* what, const std::string& of) const {
    const auto number = static_cast<int32_t>(value);
    if (number < 0 || number > static_cast<int32_t>(last)) fail_bug("graph: {} has the {} {}", of, what, number);
  }

  void tensor(size_t i) const {
    const Tensor& t = g_.tensors[i];
    name(t.name);
    const auto dtype = static_cast<int32_t>(t.dtype);
    if (dtype <= 0 || dtype > static_cast<int32_t>(DType::F4_E2M1))
      fail_bug("graph: tensor \"{}\" has the type number {}", g_.names[t.name], dtype);
    int64_t n = 1;
    for (int64_t d : t.shape)
      if (d < 0 || (d > 0 && n > kMostElements / d))
        fail_bug("graph: tensor \"{}\" has the axis {}", g_.names[t.name], d);
      else
        n *= d;
    layout(t);
  }

  // A rank's tensor must have the shape of the part that its layout describes.
  void layout(const Tensor& t) const {
    const Layout& l = t.layout;
    if (l.global.empty() && l.cuts.empty() && l.owes.empty()) return;
    const std::string& at = g_.names[t.name];
    std::unordered_set<uint32_t> meshes;
    const auto over = [&](uint32_t mesh, uint32_t parts) {
      name(mesh);
      if (!meshes.insert(mesh).second) fail_bug("graph: the layout of \"{}\" names the mesh dimension \"{}\" twice", at, g_.names[mesh]);
      if (parts < 1) fail_bug("graph: the layout of \"{}\" has 0 parts over \"{}\"", at, g_.names[mesh]);
    };
    Shape local = l.global;
    for (const Cut& c : l.cuts) {
      over(c.mesh, c.parts);
      choice(c.order, Order::ZIGZAG, "order", at);
      if (c.axis >= local.size()) fail_bug("graph: the layout of \"{}\" cuts axis {} of {}", at, c.axis, local.size());
      if (local[c.axis] % (c.parts * pieces(c.order)) != 0)
        fail_bug("graph: the layout of \"{}\" {} cuts axis {} unevenly into {} parts", at, shape_text(l.global), c.axis, c.parts);
      local[c.axis] /= c.parts;
    }
    for (const Owed& o : l.owes) {
      over(o.mesh, o.parts);
      choice(o.reduction, Reduction::LOG_SUM_EXP, "reduction", at);
    }
    if (local != t.shape)
      fail_bug("graph: \"{}\" is {}, but its part of {} is {}", at, shape_text(t.shape), shape_text(l.global), shape_text(local));
  }

  void check_group(const Group& group) {
    id(group.tensor, "group");
    if (group.tensor == 0 || group.members.empty()) fail_bug("graph: a group without tensors");
    const Tensor& all = g_.tensors[group.tensor];
    if (written_[group.tensor]) fail_bug("graph: the group \"{}\" is a state, an input or another group, too", name_of(g_, group.tensor));
    int64_t total = 0;
    for (const TensorId t : group.members) {
      id(t, "group");
      if (!state_[t]) fail_bug("graph: \"{}\" is in a group and not a state", name_of(g_, t));
      if (!grouped_.insert(t).second) fail_bug("graph: \"{}\" is in two groups", name_of(g_, t));
      if (g_.tensors[t].dtype != all.dtype) fail_bug("graph: \"{}\" is in a group of another type", name_of(g_, t));
      total += group_elements(g_, t);
    }
    if (all.shape != Shape{total})
      fail_bug("graph: the group \"{}\" {} has {} elements", name_of(g_, group.tensor), shape_text(all.shape), total);
    written_[group.tensor] = state_[group.tensor] = true;
  }

  void node(size_t i) {
    const Node& n = g_.nodes[i];
    name(n.op);
    name(n.scope);
    for (const Attribute& a : n.attributes) name(a.name);
    choice(n.phase, Phase::UPDATE, "phase", where(g_, i));
    choice(n.when, When::LAST, "when", where(g_, i));
    for (TensorId t : n.inputs) {
      id(t, "an input");
      if (t != 0 && !written_[t]) fail_bug("{}: reads \"{}\" before it is written", where(g_, i), name_of(g_, t));
      if (t != 0) lives_until(t, n, i);
    }
    if (n.body.empty()) return typed(n, where(g_, i));
    if (try_op(g_.names[n.op])) fail_bug("{}: has a body, but the operation is the kernel's own", where(g_, i));
    body(i, n);
  }

  // An operation of the kernel: attributes, types and shapes.
  void typed(const Node& n, const std::string& at) {
    const OpDef* const known = try_op(g_.names[n.op]);
    const OpDef& def = known ? *known : find_op(g_.names[n.op], at);
    const Attrs attrs = attributes_of(g_, n);
    for (const NamedAttribute& a : attrs) attribute(def, a.name, at);
    std::vector<TensorType> types;
    std::vector<const TensorType*> inputs;
    types.reserve(n.inputs.size());
    for (TensorId t : n.inputs) {
      types.push_back({g_.tensors[t].dtype, g_.tensors[t].shape});
      inputs.push_back(t == 0 ? nullptr : &types.back());
    }
    const std::vector<TensorType> expected = infer(def, attrs, inputs, at);
    outputs(n, def, attrs, expected, at);
  }

  // The parts of a node's body: known operations on the node's inputs and outputs and on tensors of the body.
  void body(size_t i, const Node& n) {
    std::unordered_map<TensorId, bool> made;  // by the parts so far; whether the first of them added to it
    const auto names = [](const std::vector<TensorId>& list, TensorId t) { return std::find(list.begin(), list.end(), t) != list.end(); };
    const std::vector<Node> parts = body_of(n);
    for (size_t k = 0; k < parts.size(); ++k) {
      const Node& part = parts[k];
      name(part.op);
      for (const Attribute& a : part.attributes) name(a.name);
      const std::string at = format("{}, part {} of its body, {}", where(g_, i), k, g_.names[part.op]);
      for (TensorId t : part.inputs) {
        id(t, "a part of a body");
        if (t != 0 && !made.contains(t) && !names(n.inputs, t))
          fail_bug("{}: reads \"{}\", which is not an input of the node, and no part before makes it", at, name_of(g_, t));
      }
      for (TensorId t : part.outputs) {
        id(t, "a part of a body");
        if (t != 0 && !names(n.outputs, t) && (state_[t] || (written_[t] && !made.contains(t)) || inner_[t]))
          fail_bug("{}: writes \"{}\", which is not an output of the node, nor its own", at, name_of(g_, t));
      }
      typed(part, at);
      for (size_t o = 0; o < part.outputs.size(); ++o)
        if (part.outputs[o] != 0) made.emplace(part.outputs[o], part.accumulate >> o & 1);
    }
    for (size_t o = 0; o < n.outputs.size(); ++o) {
      id(n.outputs[o], "an output");
      const auto from = made.find(n.outputs[o]);
      if (n.outputs[o] == 0 || from == made.end()) fail_bug("{}: output {} is made by no part of its body", where(g_, i), o);
      if (o >= 32 || from->second != (n.accumulate >> o & 1))
        fail_bug("{}: the node and its body disagree about accumulation", where(g_, i));
      made.erase(from);
    }
    for (const auto& [t, added] : made) {
      written_[t] = false;
      inner_[t] = true;
    }
  }

  void attribute(const OpDef& def, const std::string& attr, const std::string& at) const {
    if (std::any_of(def.attrs.begin(), def.attrs.end(), [&](const AttrDef& d) { return d.name == attr; })) return;
    std::vector<std::string> known;
    for (const AttrDef& d : def.attrs) known.push_back(d.name);
    fail_bug("{}: no attribute \"{}\"{}", at, attr, did_you_mean(attr, known));
  }

  void outputs(const Node& n, const OpDef& def, const Attrs& attrs, const std::vector<TensorType>& expected, const std::string& at) {
    const Operands& o = def.operands(attrs);
    // Absent outputs at the end may be left out, like inputs.
    size_t needed = expected.size();
    while (needed > 0 && o.optional_outputs[needed - 1]) --needed;
    if (n.outputs.size() < needed || n.outputs.size() > expected.size())
      fail_bug("{}: {} outputs, expected {}", at, n.outputs.size(), expected.size());
    if (n.outputs.size() < 32 && n.accumulate >> n.outputs.size()) fail_bug("{}: accumulates into an output it does not have", at);
    for (size_t k = 0; k < n.outputs.size(); ++k) {
      const TensorId t = n.outputs[k];
      id(t, "an output");
      const auto updated = def.updates.find(o.outputs[k]);
      const TensorId own = updated == def.updates.end() ? 0 : input(n, o, updated->second);
      if (updated != def.updates.end() && own != t)
        fail_bug("{}: updates {} in place, so output and input must be one tensor", at, updated->second);
      if (t == 0 && updated == def.updates.end() && !o.optional_outputs[k]) fail_bug("{}: output {} is absent", at, o.outputs[k]);
      if (t == 0) continue;
      if (g_.tensors[t].shape != expected[k].shape)
        fail_bug("{}: output {} {}: its operands give {}", at, o.outputs[k], shape_text(g_.tensors[t].shape),
                 shape_text(expected[k].shape));
      if (!takes(def, o.outputs[k], g_.tensors[t].dtype))
        fail_bug("{}: output {} has the type {}", at, o.outputs[k], dtype_name(g_.tensors[t].dtype));
      if (has_inferred_type(def, o.outputs[k]) && g_.tensors[t].dtype != expected[k].dtype)
        fail_bug("{}: output {} has the type {}: its operands and attributes give {}", at, o.outputs[k], dtype_name(g_.tensors[t].dtype),
                 dtype_name(expected[k].dtype));
      if (std::find(n.outputs.begin(), n.outputs.begin() + static_cast<ptrdiff_t>(k), t) != n.outputs.begin() + static_cast<ptrdiff_t>(k))
        fail_bug("{}: writes \"{}\" twice", at, name_of(g_, t));
      if (inner_[t]) fail_bug("{}: writes \"{}\", which belongs to the body of another node", at, name_of(g_, t));
      const bool adds = k < 32 && n.accumulate >> k & 1;
      if (adds && std::find(def.accumulates.begin(), def.accumulates.end(), o.outputs[k]) == def.accumulates.end())
        fail_bug("{}: output {} cannot be accumulated", at, o.outputs[k]);
      if (adds && !written_[t]) fail_bug("{}: adds to \"{}\", which nothing wrote", at, name_of(g_, t));
      if (written_[t] && !state_[t] && !adds) fail_bug("{}: writes \"{}\" a second time", at, name_of(g_, t));
      written_[t] = true;
    }
  }

  static TensorId input(const Node& n, const Operands& o, const std::string& name) {
    const auto at = static_cast<size_t>(std::find(o.inputs.begin(), o.inputs.end(), name) - o.inputs.begin());
    return at < n.inputs.size() ? n.inputs[at] : 0;
  }

  // A tensor that is not a state is live within one run only: forward and backward of one micro-batch, or the update.
  void lives_until(TensorId t, const Node& reader, size_t i) const {
    const size_t made = uses_.last_writer(t, i);
    if (state_[t] || made == Uses::kNone) return;
    const Node& maker = g_.nodes[made];
    const bool other_run = (maker.phase == Phase::UPDATE) != (reader.phase == Phase::UPDATE);
    const bool not_always = maker.when != When::EVERY && maker.when != reader.when;
    if (other_run || not_always)
      fail_bug("{}: reads \"{}\", which {} makes in another run and which is not a state", where(g_, i), name_of(g_, t), where(g_, made));
  }

  const Graph& g_;
  std::vector<bool> written_, state_, inner_;
  std::unordered_set<TensorId> grouped_;
  const Uses uses_;
};

}  // namespace

std::string where(const Graph& g, size_t node) {
  const Node& n = g.nodes[node];
  const auto text = [&](uint32_t i) { return i < g.names.size() ? g.names[i] : "?"; };
  return format("{} in {} (node {})", text(n.op), text(n.scope).empty() ? "no scope" : text(n.scope), node);
}

void verify(const Graph& g) { Verifier(g).run(); }

}  // namespace corral::graph
