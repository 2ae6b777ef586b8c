#include "tests/partition/random_cuts.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "corral/error.h"
#include "kernel/graph/factors.h"
#include "kernel/graph/uses.h"
#include "kernel/graph/words.h"
#include "kernel/partition/layout.h"

namespace corral {
namespace {
using graph::OpDef;
using graph::TensorType;
using partition::Share;
using Kind = Share::Kind;

constexpr char kMesh[] = "m";

// Along such a factor a rank needs other numbers than its part: ids of its own, or where its part begins.
bool needs_its_place(const OpDef& def, const std::string& factor) {
  const auto is = [&](const auto& entry) { return entry.second == factor; };
  return std::any_of(def.ids.begin(), def.ids.end(), is) || std::any_of(def.first.begin(), def.first.end(), is);
}

struct Choice {
  std::string axis;  // "": every operand whole
  Order order = Order::CONTIGUOUS;
  bool partial = false;  // sums pass through as they are
};

class Cutter {
 public:
  Cutter(const Graph& whole, uint32_t parts, std::mt19937_64& random)
      : whole_(whole), parts_(parts), random_(random), now_(whole.tensors.size()), state_(whole.tensors.size()) {
    ranks_.resize(parts);
    for (Graph& g : ranks_) builders_.emplace_back(g);
  }

  std::vector<Graph> run() {
    for (const Port& p : whole_.inputs) now_[p.tensor] = add(p.tensor, is_integer(p.tensor) ? Share{} : any_share(p.tensor), "input");
    for (const State& s : whole_.states) {
      now_[s.tensor] = add(s.tensor, any_share(s.tensor), "state", &s);
      state_[s.tensor] = true;
    }
    for (const Node& n : whole_.nodes) node(n);
    for (const Port& p : whole_.outputs) {
      Held held = now_[p.tensor];
      if (held.share.kind == Kind::kPartial) held = convert(held, p.tensor, Share{});
      each([&](GraphBuilder& b) { b.output(whole_.names[p.name], held.tensor); });
    }
    return std::move(ranks_);
  }

 private:
  // A tensor of the ranks' graphs.
  struct Held {
    TensorId tensor = 0;
    Share share;
  };

  size_t below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  bool chance(size_t of) { return below(of) == 0; }
  template <class F>
  void each(F f) {
    for (GraphBuilder& b : builders_) f(b);
  }

  bool is_integer(TensorId t) const { return whole_.tensors[t].dtype == DType::I32 || whole_.tensors[t].dtype == DType::I64; }

  bool fits(int64_t extent, Order order) const { return extent > 0 && extent % (parts_ * (order == Order::ZIGZAG ? 2 : 1)) == 0; }

  Share any_share(TensorId t) {
    const Shape& shape = whole_.tensors[t].shape;
    const auto axis = static_cast<uint32_t>(below(shape.size() + 1));
    const Order order = chance(4) ? Order::ZIGZAG : Order::CONTIGUOUS;
    return axis == shape.size() || !fits(shape[axis], order) ? Share{} : Share{.kind = Kind::kCut, .axis = axis, .order = order};
  }

  Shape local(TensorId t, const Share& share) const {
    Shape shape = whole_.tensors[t].shape;
    if (share.kind == Kind::kCut) shape[share.axis] /= parts_;
    return shape;
  }

  // A new tensor of every rank.
  Held add(TensorId t, const Share& share, const std::string& as = "", const State* state = nullptr) {
    Held held{0, share};
    each([&](GraphBuilder& b) {
      const Tensor& tensor = whole_.tensors[t];
      const std::string& name = whole_.names[tensor.name];
      State s;
      if (state) {
        s.kind = state->kind;
        s.trained = state->trained;
      }
      held.tensor = as == "input"   ? b.input(as_port(name, b.g), tensor.dtype, local(t, share))
                    : as == "state" ? b.state(name, tensor.dtype, local(t, share), s)
                                    : b.tensor(name, tensor.dtype, local(t, share));
      b.g.tensors[held.tensor].name = b.name(name);
      Layout& layout = b.g.tensors[held.tensor].layout;
      layout.global = tensor.shape;
      if (share.kind == Kind::kCut) layout.cuts.push_back({b.name(kMesh), parts_, share.axis, share.order, {}});
      if (share.kind == Kind::kPartial) layout.owes.push_back({b.name(kMesh), parts_, share.reduction, {}});
    });
    return held;
  }

  static std::string as_port(const std::string& name, const Graph& g) { return name + "." + std::to_string(g.inputs.size()); }

  Held convert(const Held& from, TensorId t, const Share& to) {
    if (from.share == to) return from;
    // Conversions are of numbers with a fraction: integers are inputs, which are given in every layout.
    if (is_integer(t)) return add(t, to, "input");
    const auto text = [](const std::string& value) { return attribute(value); };
    const auto order = [&](const Share& share) { return text(graph::kOrderWords[static_cast<size_t>(share.order)]); };
    const auto axis = [](const Share& share) { return attribute(static_cast<int64_t>(share.axis)); };
    const std::string reduction = graph::kReductionWords[static_cast<size_t>(from.share.reduction)];
    if (from.share.kind == Kind::kSame) return emit("slice", from, add(t, to), {{"axis", axis(to)}, {"order", order(to)}});
    if (from.share.kind == Kind::kPartial && to.kind == Kind::kSame)
      return emit("all_reduce", from, add(t, to), {{"reduction", text(reduction)}});
    if (from.share.kind == Kind::kPartial)
      return emit("reduce_scatter", from, add(t, to), {{"axis", axis(to)}, {"order", order(to)}, {"reduction", text(reduction)}});
    if (to.kind == Kind::kSame) return emit("all_gather", from, add(t, to), {{"axis", axis(from.share)}, {"order", order(from.share)}});
    if (to.axis == from.share.axis) return convert(convert(from, t, Share{}), t, to);
    return emit("all_to_all", from, add(t, to),
                {{"from", axis(from.share)}, {"to", axis(to)}, {"from_order", order(from.share)}, {"to_order", order(to)}});
  }

  Held emit(const std::string& op, const Held& from, const Held& to, std::vector<NamedAttribute> attributes) {
    attributes.push_back({"mesh", attribute(std::string(kMesh))});
    attributes.push_back({"parts", attribute(static_cast<int64_t>(parts_))});
    for (size_t rank = 0; rank < parts_; ++rank) {
      std::vector<NamedAttribute> own = attributes;
      if (op == "slice") own.push_back({"part", attribute(static_cast<int64_t>(rank))});
      builders_[rank].node(op, {from.tensor}, {to.tensor}, std::move(own)).when = when_;
    }
    return to;
  }

  std::vector<std::string> axes(const std::vector<std::string>& names, TensorId t) const {
    return graph::cut_factors(names, whole_.tensors[t].shape.size());
  }

  bool fits(const Node& n, const OpDef& def, const graph::Operands& o, const Choice& c) const {
    std::vector<const Shape*> inputs;
    for (const TensorId t : n.inputs) inputs.push_back(t ? &whole_.tensors[t].shape : nullptr);
    for (const graph::ShapeFactors& operand : graph::factors_of(def, graph::attributes_of(whole_, n), o, inputs, {}, def.name).inputs)
      for (const std::vector<graph::Factor>& axis : operand)
        for (const graph::Factor& factor : axis)
          if (factor.name == c.axis) return fits(factor.extent, c.order);
    return false;
  }

  Share share_of(const std::vector<std::string>& names, TensorId t, const Choice& c) const {
    const std::vector<std::string> own = axes(names, t);
    const auto at = std::find(own.begin(), own.end(), c.axis);
    if (c.axis.empty() || at == own.end()) return {};
    return {.kind = Kind::kCut, .axis = static_cast<uint32_t>(at - own.begin()), .order = c.order};
  }

  // Do the shapes of the parts fit the operation?
  bool possible(const Node& n, const OpDef& def, const graph::Operands& o, const Choice& c) const {
    if (!graph::may_cut(def, c.axis) || needs_its_place(def, c.axis) || !fits(n, def, o, c)) return false;
    std::vector<TensorType> types;
    std::vector<const TensorType*> given;
    types.reserve(n.inputs.size());
    const auto cut = [&](const std::vector<std::string>& names, TensorId t) -> std::optional<Shape> {
      const Share share = share_of(names, t, c);
      if (share.kind == Kind::kCut && !fits(whole_.tensors[t].shape[share.axis], c.order)) return std::nullopt;
      return local(t, share);
    };
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      if (n.inputs[i] == 0) {
        given.push_back(nullptr);
        continue;
      }
      const auto shape = cut(o.input_axes[i], n.inputs[i]);
      if (!shape) return false;
      types.push_back({whole_.tensors[n.inputs[i]].dtype, *shape});
      given.push_back(&types.back());
    }
    try {
      const auto outputs = graph::infer(def, graph::attributes_of(whole_, n), given, "");
      for (size_t k = 0; k < n.outputs.size(); ++k)
        if (n.outputs[k] != 0 && cut(o.output_axes[k], n.outputs[k]) != outputs[k].shape) return false;
    } catch (const Error&) {
      return false;
    }
    return true;
  }

  Choice choose(const Node& n, const OpDef& def, const graph::Operands& o) {
    std::string partial;
    for (size_t i = 0; i < n.inputs.size(); ++i)
      if (n.inputs[i] != 0 && now_[n.inputs[i]].share.kind == Kind::kPartial) partial += (partial.empty() ? "" : " ") + o.inputs[i];
    if (std::find(def.linear_in.begin(), def.linear_in.end(), partial) != def.linear_in.end() && !chance(4)) return {.partial = true};
    std::vector<Choice> choices{{}};
    std::set<std::string> names;
    for (size_t i = 0; i < n.inputs.size(); ++i)
      if (n.inputs[i] != 0)
        for (const std::string& axis : axes(o.input_axes[i], n.inputs[i])) names.insert(axis);
    for (const std::string& axis : names)
      for (const Order order : {Order::CONTIGUOUS, Order::ZIGZAG})
        if (const Choice c{.axis = axis, .order = order}; possible(n, def, o, c)) choices.push_back(c);
    return choices.size() > 1 && !chance(4) ? choices[1 + below(choices.size() - 1)] : choices[0];
  }

  void node(const Node& n) {
    const OpDef& def = graph::find_op(op_of(whole_, n));
    const graph::Operands& o = def.operands(graph::attributes_of(whole_, n));
    when_ = n.when;
    each([&](GraphBuilder& b) {
      b.scope = whole_.names[n.scope];
      b.phase = n.phase;
    });
    if (n.outputs[0] != 0 && n.outputs == n.inputs) return copy(n, {now_[n.inputs[0]].tensor}, {now_[n.inputs[0]].tensor});
    const Choice choice = choose(n, def, o);
    std::vector<TensorId> inputs, outputs;
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      const TensorId t = n.inputs[i];
      Share share = t ? share_of(o.input_axes[i], t, choice) : Share{};
      if (t && choice.partial) share = now_[t].share.kind == Kind::kPartial ? now_[t].share : Share{};
      inputs.push_back(t ? convert(now_[t], t, share).tensor : 0);
    }
    std::vector<Held> made;
    for (size_t k = 0; k < n.outputs.size(); ++k) {
      const TensorId t = n.outputs[k];
      Share share = t ? share_of(o.output_axes[k], t, choice) : Share{};
      if (choice.partial || (!choice.axis.empty() && share.kind == Kind::kSame)) share = {.kind = Kind::kPartial};
      made.push_back(t ? add(t, share) : Held{});
      outputs.push_back(made.back().tensor);
    }
    copy(n, inputs, outputs);
    for (size_t k = 0; k < n.outputs.size(); ++k)
      if (n.outputs[k] != 0) keep(n.outputs[k], made[k], n.accumulate >> k & 1);
  }

  void copy(const Node& n, const std::vector<TensorId>& inputs, const std::vector<TensorId>& outputs) {
    each([&](GraphBuilder& b) { b.node(op_of(whole_, n), inputs, outputs, graph::attributes_of(whole_, n)).when = n.when; });
  }

  // Makes the output of a node the tensor, or adds it to the tensor.
  void keep(TensorId t, const Held& made, bool adds) {
    if (!adds && !state_[t]) {
      now_[t] = made;
      return;
    }
    if (!state_[t] && now_[t].share.kind == Kind::kPartial && made.share != now_[t].share) now_[t] = convert(now_[t], t, Share{});
    const Held fitting = convert(made, t, now_[t].share);
    each([&](GraphBuilder& b) {
      Node& n = b.node("scale", {fitting.tensor}, {now_[t].tensor}, {{"factor", attribute(1.0)}});
      n.accumulate = adds;
      n.when = when_;
    });
  }

  const Graph& whole_;
  const uint32_t parts_;
  std::mt19937_64& random_;
  std::vector<Graph> ranks_;
  std::vector<GraphBuilder> builders_;
  std::vector<Held> now_;  // by tensor of the whole graph
  std::vector<bool> state_;
  When when_{};
};

}  // namespace

std::vector<Graph> cut_at_random(const Graph& whole, uint32_t parts, std::mt19937_64& random) { return Cutter(whole, parts, random).run(); }

}  // namespace corral
