#include "kernel/partition/check.h"

#include <algorithm>
#include <optional>

#include "kernel/graph/conversion.h"
#include "kernel/graph/factors.h"
#include "kernel/graph/verify.h"
#include "kernel/graph/words.h"
#include "kernel/partition/layout.h"

namespace corral::partition {
namespace {
using graph::OpDef;
using Kind = Share::Kind;

// The layouts that a conversion takes and gives; its attributes name the axis and the order of a cut.
struct Conversion {
  const char* op;
  Kind from, to;
  const char *from_axis, *to_axis;
  const char *from_order, *to_order;
};
constexpr Conversion kConversions[] = {
    {"slice", Kind::kSame, Kind::kCut, "", "axis", "", "order"},
    {"all_gather", Kind::kCut, Kind::kSame, "axis", "", "order", ""},
    {"all_reduce", Kind::kPartial, Kind::kSame, "", "", "", ""},
    {"reduce_scatter", Kind::kPartial, Kind::kCut, "", "axis", "", "order"},
    {"all_to_all", Kind::kCut, Kind::kCut, "from", "to", "from_order", "to_order"},
};

const Conversion* conversion_of(const std::string& op) {
  for (const Conversion& c : kConversions)
    if (op == c.op) return &c;
  return nullptr;
}

template <class Words>
size_t number_of(const Words& words, const std::string& word) {
  const auto at = std::find(words.begin(), words.end(), word);
  return at == words.end() ? 0 : static_cast<size_t>(at - words.begin());
}

class Checker {
 public:
  explicit Checker(const Graph& g) : g_(g), mesh_(mesh_of(g)), gradient_(g.tensors.size()) {
    for (const State& s : g.states) gradient_[s.tensor] = s.kind == StateKind::GRADIENT;
  }

  void run() {
    if (mesh_.empty()) return;
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      at_ = graph::where(g_, i);
      if (g_.nodes[i].body.empty()) node(g_.nodes[i]);
      for (const Node& part : body_of(g_.nodes[i])) node(part);
    }
    for (const graph::MeshDimension& d : mesh_) {
      for (const Port& p : g_.outputs) require_paid(p.tensor, d.name, "output");
      for (const State& s : g_.states)
        if (s.saved || s.kind == StateKind::PARAMETER || s.kind == StateKind::MASTER || s.kind == StateKind::MOMENT)
          require_paid(s.tensor, d.name, "state");
    }
  }

 private:
  void require_paid(TensorId t, const std::string& mesh, const char* what) const {
    if (const Share share = share_of(g_, t, mesh); share.kind == Kind::kPartial)
      fail_bug("{} \"{}\" is {} over \"{}\"", what, name_of(g_, t), text_of(share), mesh);
  }

  void node(const Node& n) {
    const OpDef& def = graph::find_op(op_of(g_, n), at_);
    const Conversion* conversion = conversion_of(def.name);
    for (const graph::MeshDimension& d : mesh_) conversion ? convert(n, *conversion, d.name) : operation(n, def, d.name);
  }

  void give(TensorId t, const Share& given, const std::string& mesh) const {
    if (const Share share = share_of(g_, t, mesh); share != given)
      fail_bug("{}: gives \"{}\" {} over \"{}\", but its layout is {}", at_, name_of(g_, t), text_of(given), mesh, text_of(share));
  }

  // The share that the attributes of a conversion state.
  Share stated(const Node& n, Kind kind, const char* axis, const char* order) const {
    Share share{.kind = kind};
    if (const Attribute* a = find_attribute(g_, n, axis); a && kind == Kind::kCut) share.axis = static_cast<uint32_t>(a->integer);
    if (const Attribute* a = find_attribute(g_, n, order); a && kind == Kind::kCut)
      share.order = static_cast<Order>(number_of(graph::kOrderWords, a->text));
    if (const Attribute* a = find_attribute(g_, n, "reduction"); a && kind == Kind::kPartial)
      share.reduction = static_cast<Reduction>(number_of(graph::kReductionWords, a->text));
    return share;
  }

  void convert(const Node& n, const Conversion& c, const std::string& mesh) const {
    const TensorId x = n.inputs[0], y = n.outputs[0];
    const Attribute* over = find_attribute(g_, n, "mesh");
    if (!over || over->text != mesh) return give(y, share_of(g_, x, mesh), mesh);
    const Share from = stated(n, c.from, c.from_axis, c.from_order), has = share_of(g_, x, mesh);
    if (has != from)
      fail_bug("{}: needs an input that is {} over \"{}\", but \"{}\" is {}", at_, text_of(from), mesh, name_of(g_, x), text_of(has));
    give(y, stated(n, c.to, c.to_axis, c.to_order), mesh);
    if (from.kind == Kind::kCut) require_innermost(x, from.axis, mesh);
    if (c.to == Kind::kCut) require_innermost(y, share_of(g_, y, mesh).axis, mesh);
    if (gradient_[x] && n.phase != Phase::UPDATE && n.when != When::LAST)
      fail_bug("{}: converts \"{}\" on every micro-batch, which is a sum over them", at_, name_of(g_, x));
  }

  // Where several mesh dimensions cut an axis, only the last of these cuts can be made or undone.
  void require_innermost(TensorId t, uint32_t axis, const std::string& mesh) const {
    const std::vector<Cut>& cuts = g_.tensors[t].layout.cuts;
    const auto last = std::find_if(cuts.rbegin(), cuts.rend(), [&](const Cut& c) { return c.axis == axis; });
    if (last != cuts.rend() && g_.names[last->mesh] != mesh)
      fail_bug("{}: \"{}\" is cut along axis {} over \"{}\" within its parts over \"{}\"", at_, name_of(g_, t), axis, g_.names[last->mesh],
               mesh);
  }

  // An axis of the operation that a mesh dimension cuts, and the operand in which it was seen first.
  struct CutAxis {
    std::string name;
    Order order;
    std::string operand;
  };

  std::vector<std::string> axes_of(const std::vector<std::string>& axes, TensorId t) const {
    return graph::cut_factors(axes, g_.tensors[t].shape.size());
  }

  void operation(const Node& n, const OpDef& def, const std::string& mesh) const {
    const graph::Operands& o = def.operands(graph::attributes_of(g_, n));
    if (writes_zeros(n)) return;
    std::optional<CutAxis> cut;
    std::vector<std::string> partial;
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      if (n.inputs[i] == 0) continue;
      const Share share = share_of(g_, n.inputs[i], mesh);
      if (share.kind == Kind::kPartial) {
        if (share.reduction != Reduction::SUM)
          fail_bug("{}: reads {} \"{}\", which is {} over \"{}\"", at_, o.inputs[i], name_of(g_, n.inputs[i]), text_of(share), mesh);
        partial.push_back(o.inputs[i]);
      }
      if (share.kind != Kind::kCut) continue;
      const CutAxis own{axes_of(o.input_axes[i], n.inputs[i])[share.axis], share.order, o.inputs[i]};
      if (cut && (cut->name != own.name || cut->order != own.order))
        fail_bug("{}: \"{}\" cuts axis {} of {} and axis {} of {}", at_, mesh, cut->name, cut->operand, own.name, own.operand);
      if (!cut) cut = own;
    }
    if (cut) require_cut(n, def, o, *cut, mesh);
    if (cut && cut->order == Order::ZIGZAG) require_whole_pieces(n, def, o, *cut, mesh);
    if (!partial.empty()) require_linear(def, o, n, partial, cut.has_value(), mesh);
    for (size_t k = 0; k < n.outputs.size(); ++k)
      if (n.outputs[k] != 0) give(n.outputs[k], output(n, def, o, k, cut, !partial.empty()), mesh);
  }

  // 0 is a part of 0, and the sum of zeros: it has every layout.
  bool writes_zeros(const Node& n) const {
    const Attribute* value = find_attribute(g_, n, "value");
    return op_of(g_, n) == "fill" && (!value || value->number == 0);
  }

  void require_cut(const Node& n, const OpDef& def, const graph::Operands& o, const CutAxis& cut, const std::string& mesh) const {
    if (!graph::may_cut(def, cut.name)) fail_bug("{}: \"{}\" cuts axis {} of {}, which must be whole", at_, mesh, cut.name, cut.operand);
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      if (n.inputs[i] == 0 || share_of(g_, n.inputs[i], mesh).kind == Kind::kCut) continue;
      for (const std::string& axis : axes_of(o.input_axes[i], n.inputs[i]))
        if (axis == cut.name) fail_bug("{}: \"{}\" cuts axis {} of {}, but not of {}", at_, mesh, cut.name, cut.operand, o.inputs[i]);
    }
  }

  // A rank has two pieces of a cut in zigzag order: each must be whole, as its shape says of both together only.
  void require_whole_pieces(const Node& n, const OpDef& def, const graph::Operands& o, const CutAxis& cut, const std::string& mesh) const {
    std::vector<const Shape*> shapes;
    for (const TensorId t : n.inputs) shapes.push_back(t ? &g_.tensors[t].shape : nullptr);
    for (const graph::ShapeFactors& operand : graph::factors_of(def, graph::attributes_of(g_, n), o, shapes, {}, at_).inputs)
      for (const std::vector<graph::Factor>& axis : operand)
        for (const graph::Factor& factor : axis)
          if (factor.name == cut.name && factor.extent % graph::pieces(cut.order) != 0)
            fail_bug("{}: \"{}\" cuts axis {} of {} in zigzag order, but {} of it on a rank are not two equal pieces", at_, mesh, cut.name,
                     cut.operand, factor.extent);
  }

  void require_linear(const OpDef& def, const graph::Operands& o, const Node& n, const std::vector<std::string>& partial, bool cut,
                      const std::string& mesh) const {
    std::string all;
    for (const std::string& operand : partial) all += (all.empty() ? "" : ", ") + operand;
    if (cut) fail_bug("{}: over \"{}\" {} is a partial sum and another operand is cut", at_, mesh, all);
    // Operands of an entry are partial together: a + b is linear in both, and not in one of them.
    for (const std::string& entry : def.linear_in) {
      const std::vector<std::string> named = graph::words(entry);
      std::vector<std::string> together;
      for (size_t i = 0; i < n.inputs.size(); ++i)
        if (n.inputs[i] != 0 && std::find(named.begin(), named.end(), o.inputs[i]) != named.end()) together.push_back(o.inputs[i]);
      if (together == partial) return;
    }
    fail_bug("{}: over \"{}\" {} is a partial sum, in which it is not linear", at_, mesh, all);
  }

  Share output(const Node& n, const OpDef& def, const graph::Operands& o, size_t k, const std::optional<CutAxis>& cut, bool partial) const {
    if (partial) return {.kind = Kind::kPartial};
    if (!cut) return {};
    const std::vector<std::string> axes = axes_of(o.output_axes[k], n.outputs[k]);
    for (size_t a = 0; a < axes.size(); ++a)
      if (axes[a] == cut->name) return {.kind = Kind::kCut, .axis = static_cast<uint32_t>(a), .order = cut->order};
    Share owed{.kind = Kind::kPartial};
    if (const auto reduction = def.reduces.find(o.outputs[k]); reduction != def.reduces.end())
      owed.reduction = static_cast<Reduction>(number_of(graph::kReductionWords, reduction->second));
    return owed;
  }

  const Graph& g_;
  const std::vector<graph::MeshDimension> mesh_;
  std::vector<bool> gradient_;
  std::string at_;
};

}  // namespace

void check_layouts(const Graph& g) { Checker(g).run(); }

}  // namespace corral::partition
