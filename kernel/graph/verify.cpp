#include "kernel/graph/verify.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "kernel/graph/op.h"
#include "kernel/graph/print.h"

namespace corral::graph {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 46;

class Verifier {
 public:
  explicit Verifier(const Graph& g) : g_(g), written_(g.tensors.size()), state_(g.tensors.size()), made_(g.tensors.size(), kBefore) {}

  void run() {
    if (g_.names.empty() || !g_.names[0].empty()) fail_bug("graph: names[0] must be empty");
    if (g_.tensors.empty()) fail_bug("graph: tensors[0] must stand for the absent tensor");
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
      if (s.of >= g_.tensors.size()) fail_bug("graph: state {} belongs to tensor {}, which is not there", name_of(g_, s.tensor), s.of);
      if (s.init == InitKind::COPY && (s.of == 0 || g_.tensors[s.of].shape != g_.tensors[s.tensor].shape))
        fail_bug("graph: state \"{}\" starts as a copy of something of another shape", name_of(g_, s.tensor));
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
    const OpDef* const known = try_op(g_.names[n.op]);
    const OpDef& def = known ? *known : find_op(g_.names[n.op], where(g_, i));
    const Attrs attrs = attributes_of(g_, n);
    for (const NamedAttribute& a : attrs) attribute(def, a.name, i);
    std::vector<TensorType> types;
    std::vector<const TensorType*> inputs;
    types.reserve(n.inputs.size());
    for (TensorId t : n.inputs) {
      types.push_back({g_.tensors[t].dtype, g_.tensors[t].shape});
      inputs.push_back(t == 0 ? nullptr : &types.back());
    }
    const std::vector<TensorType> expected = infer(def, attrs, inputs, where(g_, i));
    outputs(i, n, def, attrs, expected);
  }

  void attribute(const OpDef& def, const std::string& attr, size_t i) const {
    if (std::any_of(def.attrs.begin(), def.attrs.end(), [&](const AttrDef& d) { return d.name == attr; })) return;
    std::vector<std::string> known;
    for (const AttrDef& d : def.attrs) known.push_back(d.name);
    fail_bug("{}: no attribute \"{}\"{}", where(g_, i), attr, did_you_mean(attr, known));
  }

  void outputs(size_t i, const Node& n, const OpDef& def, const Attrs& attrs, const std::vector<TensorType>& expected) {
    const Operands& o = def.operands(attrs);
    if (n.outputs.size() != expected.size()) fail_bug("{}: {} outputs, expected {}", where(g_, i), n.outputs.size(), expected.size());
    if (n.outputs.size() < 32 && n.accumulate >> n.outputs.size())
      fail_bug("{}: accumulates into an output it does not have", where(g_, i));
    for (size_t k = 0; k < n.outputs.size(); ++k) {
      const TensorId t = n.outputs[k];
      id(t, "an output");
      const auto updated = def.updates.find(o.outputs[k]);
      const TensorId own = updated == def.updates.end() ? 0 : input(n, o, updated->second);
      if (updated != def.updates.end() && own != t)
        fail_bug("{}: updates {} in place, so output and input must be one tensor", where(g_, i), updated->second);
      if (t == 0 && updated == def.updates.end() && !o.optional_outputs[k]) fail_bug("{}: output {} is absent", where(g_, i), o.outputs[k]);
      if (t == 0) continue;
      if (g_.tensors[t].shape != expected[k].shape)
        fail_bug("{}: output {} {}: its operands give {}", where(g_, i), o.outputs[k], shape_text(g_.tensors[t].shape),
                 shape_text(expected[k].shape));
      if (!takes(def, o.outputs[k], g_.tensors[t].dtype))
        fail_bug("{}: output {} has the type {}", where(g_, i), o.outputs[k], dtype_name(g_.tensors[t].dtype));
      if (std::find(n.outputs.begin(), n.outputs.begin() + static_cast<ptrdiff_t>(k), t) != n.outputs.begin() + static_cast<ptrdiff_t>(k))
        fail_bug("{}: writes \"{}\" twice", where(g_, i), name_of(g_, t));
      const bool adds = k < 32 && n.accumulate >> k & 1;
      if (adds && std::find(def.accumulates.begin(), def.accumulates.end(), o.outputs[k]) == def.accumulates.end())
        fail_bug("{}: output {} cannot be accumulated", where(g_, i), o.outputs[k]);
      if (adds && !written_[t]) fail_bug("{}: adds to \"{}\", which nothing wrote", where(g_, i), name_of(g_, t));
      if (written_[t] && !state_[t] && !adds) fail_bug("{}: writes \"{}\" a second time", where(g_, i), name_of(g_, t));
      written_[t] = true;
      made_[t] = i;
    }
  }

  static TensorId input(const Node& n, const Operands& o, const std::string& name) {
    const auto at = static_cast<size_t>(std::find(o.inputs.begin(), o.inputs.end(), name) - o.inputs.begin());
    return at < n.inputs.size() ? n.inputs[at] : 0;
  }

  // Memory of what is no state is lent for one run: forward and backward of one micro-batch, or the update.
  void lives_until(TensorId t, const Node& reader, size_t i) const {
    if (state_[t] || made_[t] == kBefore) return;
    const Node& maker = g_.nodes[made_[t]];
    const bool other_run = (maker.phase == Phase::UPDATE) != (reader.phase == Phase::UPDATE);
    const bool not_always = maker.when != When::EVERY && maker.when != reader.when;
    if (other_run || not_always)
      fail_bug("{}: reads \"{}\", which {} makes in another run and which is no state", where(g_, i), name_of(g_, t), where(g_, made_[t]));
  }

  static constexpr size_t kBefore = SIZE_MAX;
  const Graph& g_;
  std::vector<bool> written_, state_;
  std::vector<size_t> made_;  // the node that last wrote a tensor
};

}  // namespace

std::string where(const Graph& g, size_t node) {
  const Node& n = g.nodes[node];
  const auto text = [&](uint32_t i) { return i < g.names.size() ? g.names[i] : "?"; };
  return format("{} in {} (node {})", text(n.op), text(n.scope).empty() ? "no scope" : text(n.scope), node);
}

void verify(const Graph& g) { Verifier(g).run(); }

}  // namespace corral::graph
