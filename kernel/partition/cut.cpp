#include "kernel/partition/cut.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

#include "corral/error.h"
#include "kernel/graph/conversion.h"
#include "kernel/graph/factors.h"
#include "kernel/graph/verify.h"
#include "kernel/graph/words.h"
#include "kernel/partition/rank_graph.h"

namespace corral::partition {
namespace {
using graph::OpDef;
using Kind = Share::Kind;

// Operations through which a partial sum passes, where they are linear in it: all others would compute on every rank what one can.
constexpr const char* kPassing[] = {"add", "scale", "cast", "product"};

bool passes(const std::string& op) { return std::find(std::begin(kPassing), std::end(kPassing), op) != std::end(kPassing); }

class Cutter {
 public:
  Cutter(Graph g, const Dimension& d, std::span<const AskedCut> asked)
      : out_(std::move(g), d), g_(out_.g), main_(g_.tensors.size()), known_(main_.size()), weight_(main_.size()) {
    std::iota(main_.begin(), main_.end(), TensorId{0});
    for (const AskedCut& a : asked) asked_[a.tensor] = {.kind = Kind::kCut, .axis = a.axis, .order = a.order};
  }

  OneRank run() {
    std::vector<Node> nodes = std::move(g_.nodes);
    g_.nodes.clear();
    for (const Port& p : g_.inputs) know(p.tensor, asked_of(p.tensor));
    for (const State& s : g_.states) state(s);
    for (Node& n : nodes) {
      out_.at = op_of(g_, n) + " in " + g_.names[n.scope];
      out_.b.scope = g_.names[n.scope];
      out_.b.phase = n.phase;
      out_.when = n.when;
      node(n);
    }
    for (Port& p : g_.outputs) {
      join(p.tensor);
      p.tensor = main_[p.tensor];
      if (out_.share(p.tensor).kind == Kind::kPartial) p.tensor = out_.version(p.tensor, Share{});
    }
    out_.b.phase = Phase::UPDATE;
    out_.b.scope = "step";
    out_.when = When::EVERY;
    out_.complete_parts();
    return {std::move(g_), std::move(out_.firsts)};
  }

 private:
  using Shapes = std::vector<const Shape*>;

  struct Choice {
    std::string factor;  // "": none
    Order order = Order::CONTIGUOUS;
    int rank = 0;  // a cut of integers, which have no conversion, then of a state that is written, of a weight, of an activation
    int64_t size = 0;
    bool operator<(const Choice& other) const { return std::tie(rank, size) < std::tie(other.rank, other.size); }
  };

  void know(TensorId t, const Share& share) {
    out_.set_share(t, share);
    known_[t] = true;
  }

  Share asked_of(TensorId t) const {
    const auto at = asked_.find(t);
    return at == asked_.end() ? Share{} : at->second;
  }

  void state(const State& s) {
    states_.insert(s.tensor);
    weight_[s.tensor] = s.kind == StateKind::PARAMETER || s.kind == StateKind::MASTER;
    if (s.of && out_.whole(s.of) == out_.whole(s.tensor)) {
      const Share of = asked_of(s.of);
      if (s.kind == StateKind::GRADIENT && of.kind == Kind::kSame) return;  // its first writer tells whether it is partial
      return know(s.tensor, of);
    }
    if (s.kind != StateKind::STATISTIC) know(s.tensor, asked_of(s.tensor));
    if (s.kind == StateKind::STATISTIC) statistics_.insert(s.tensor);
  }

  std::vector<std::string> axes(const std::vector<std::string>& names, TensorId t) const {
    return graph::cut_factors(names, out_.whole(t).size());
  }

  bool is_conversion(const Node& n) const { return find_attribute(g_, n, "mesh") != nullptr; }

  void node(Node& n) {
    const OpDef& def = graph::find_op(op_of(g_, n), out_.at);
    const graph::Attrs attributes = graph::attributes_of(g_, n);
    const graph::Operands& o = def.operands(attributes);
    bool weights = !n.inputs.empty();
    for (const TensorId t : n.inputs) weights = weights && (t == 0 || weight_[t]);
    for (const TensorId t : n.outputs)
      if (t && !known_[t]) weight_[t] = weights;
    if (n.inputs == n.outputs && op_of(g_, n) == "fill") return zeros(n);
    for (const TensorId t : n.inputs) join(t);
    const Choice c = is_conversion(n) ? along(n, o) : choose(n, def, attributes, o);
    const bool partial = c.factor.empty() && stays_partial(n, def, o);
    std::vector<TensorId> inputs;
    for (size_t i = 0; i < n.inputs.size(); ++i) inputs.push_back(n.inputs[i] ? input(n, def, o, i, c, partial) : 0);
    if (!c.factor.empty())
      for (const auto& [operand, factor] : def.first)
        if (factor == c.factor) begin_at(n, def, o, operand, c, inputs);
    Node out = n;
    out.inputs = std::move(inputs);
    std::erase_if(out.attributes, [&](const Attribute& a) {
      const auto promise = def.promises.find(g_.names[a.name]);
      return promise != def.promises.end() && promise->second == c.factor;
    });
    std::vector<std::pair<TensorId, TensorId>> later;  // tensors that the node writes in another layout, and their outputs
    for (size_t k = 0; k < n.outputs.size(); ++k)
      if (const TensorId t = n.outputs[k]; t != 0)
        out.outputs[k] = output(t, made(def, o, n, k, c, partial), n.accumulate >> k & 1, out, k, later);
    g_.nodes.push_back(std::move(out));
    for (const auto& [from, t] : later) settle(from, t, n);
  }

  // 0 is a part of 0, and a sum of zeros.
  void zeros(const Node& n) {
    Node out = n;
    for (TensorId& t : out.inputs) t = main_[t];
    for (TensorId& t : out.outputs) t = main_[t];
    g_.nodes.push_back(std::move(out));
  }

  // A conversion over another dimension of the mesh: a cut of another axis and a partial sum pass.
  Choice along(const Node& n, const graph::Operands& o) const {
    const Share share = out_.share(main_[n.inputs[0]]);
    if (share.kind != Kind::kCut) return {};
    for (const char* word : {"axis", "from", "to"})
      if (const Attribute* a = find_attribute(g_, n, word); a && a->integer == share.axis) return {};
    return {axes(o.input_axes[0], n.inputs[0])[share.axis], share.order, 0, 0};
  }

  Choice choose(const Node& n, const OpDef& def, const graph::Attrs& attributes, const graph::Operands& o) const {
    Choice best;
    const auto consider = [&](const std::vector<std::string>& names, TensorId t, const Share& share, int rank) {
      if (share.kind != Kind::kCut) return;
      const Choice c{axes(names, t)[share.axis], share.order, rank, elements(out_.whole(t))};
      if ((best.factor.empty() || best < c) && may(n, def, attributes, o, c)) best = c;
    };
    for (size_t k = 0; k < n.outputs.size(); ++k)
      if (const TensorId t = n.outputs[k]; t && is_state(t) && known_[t]) consider(o.output_axes[k], t, out_.share(main_[t]), 3);
    for (size_t i = 0; i < n.inputs.size(); ++i)
      if (const TensorId t = n.inputs[i]; t)
        consider(o.input_axes[i], t, out_.share(main_[t]), out_.is_integer(t) ? 4 : weight_[t] ? 2 : 1);
    return best;
  }

  bool is_state(TensorId t) const { return states_.contains(t); }

  // Can the operation run on parts of this factor?
  bool may(const Node& n, const OpDef& def, const graph::Attrs& attributes, const graph::Operands& o, const Choice& c) const {
    if (!graph::may_cut(def, c.factor)) return false;
    Shapes shapes;
    for (const TensorId t : n.inputs) shapes.push_back(t ? &out_.whole(t) : nullptr);
    for (const graph::ShapeFactors& operand : graph::factors_of(def, attributes, o, shapes, {}, out_.at).inputs)
      for (const std::vector<graph::Factor>& axis : operand)
        for (const graph::Factor& factor : axis)
          if (factor.name == c.factor && !out_.divides(factor.extent, c.order)) return false;
    return true;
  }

  bool stays_partial(const Node& n, const OpDef& def, const graph::Operands& o) const {
    std::vector<std::string> partial;
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      if (!n.inputs[i]) continue;
      const Share& share = out_.share(main_[n.inputs[i]]);
      if (share.kind == Kind::kPartial && share.reduction != Reduction::SUM) return false;
      if (share.kind == Kind::kPartial) partial.push_back(o.inputs[i]);
    }
    if (partial.empty()) return false;
    if (is_conversion(n)) return true;
    if (!passes(def.name)) return false;
    return std::any_of(def.linear_in.begin(), def.linear_in.end(),
                       [&](const std::string& entry) { return graph::words(entry) == partial; });
  }

  Share share_at(const std::vector<std::string>& names, TensorId t, const Choice& c) const {
    if (c.factor.empty()) return {};
    const std::vector<std::string> own = axes(names, t);
    const auto at = std::find(own.begin(), own.end(), c.factor);
    if (at == own.end()) return {};
    return {.kind = Kind::kCut, .axis = static_cast<uint32_t>(at - own.begin()), .order = c.order};
  }

  TensorId input(const Node& n, const OpDef& def, const graph::Operands& o, size_t i, const Choice& c, bool partial) {
    const TensorId whole = n.inputs[i], t = main_[whole];
    if (partial && out_.share(t).kind == Kind::kPartial) return t;
    if (const auto ids = def.ids.find(o.inputs[i]); ids != def.ids.end() && ids->second == c.factor && !c.factor.empty())
      return ids_of_part(n, def, o, t, c);
    const TensorId y = out_.version(t, share_at(o.input_axes[i], n.inputs[i], c));
    // A sum that was completed once is not completed again.
    if (out_.share(t).kind == Kind::kPartial && !is_state(t)) main_[whole] = y;
    return y;
  }

  // Adds what was summed apart to the tensor, before it is read.
  void join(TensorId t) {
    const auto apart = apart_.find(t);
    if (apart == apart_.end()) return;
    const TensorId main = main_[t], x = out_.version(apart->second, out_.share(main));
    apart_.erase(apart);
    Node& n = out_.b.node("scale", {x}, {main}, {{"factor", attribute(1.0)}});
    n.when = out_.when;
    n.accumulate = 1;
  }

  int64_t extent_of(const Node& n, const OpDef& def, const graph::Operands& o, const std::string& wanted) const {
    Shapes shapes;
    for (const TensorId t : n.inputs) shapes.push_back(t ? &out_.whole(t) : nullptr);
    for (const graph::ShapeFactors& operand : graph::factors_of(def, graph::attributes_of(g_, n), o, shapes, {}, out_.at).inputs)
      for (const std::vector<graph::Factor>& axis : operand)
        for (const graph::Factor& factor : axis)
          if (factor.name == wanted) return factor.extent;
    fail_bug("{}: no operand has an axis {}", out_.at, wanted);
  }

  TensorId ids_of_part(const Node& n, const OpDef& def, const graph::Operands& o, TensorId ids, const Choice& c) {
    if (c.order != Order::CONTIGUOUS) fail_bug("{}: ids of a zigzag cut of {}", out_.at, c.factor);
    return out_.local_ids(ids, extent_of(n, def, o, c.factor) / out_.dimension().ranks);
  }

  // Tells the operation where the rank's part of the factor begins.
  void begin_at(const Node& n, const OpDef& def, const graph::Operands& o, const std::string& operand, const Choice& c,
                std::vector<TensorId>& inputs) {
    const auto at = static_cast<size_t>(std::find(o.inputs.begin(), o.inputs.end(), operand) - o.inputs.begin());
    if (c.order != Order::CONTIGUOUS || (at < n.inputs.size() && n.inputs[at]))
      fail_bug("{}: a part of {} that begins in two places", out_.at, c.factor);
    if (inputs.size() <= at) inputs.resize(at + 1);
    inputs[at] = out_.first(extent_of(n, def, o, c.factor) / out_.dimension().ranks);
  }

  // The layout in which a node writes an output.
  Share made(const OpDef& def, const graph::Operands& o, const Node& n, size_t k, const Choice& c, bool partial) const {
    if (partial) return {.kind = Kind::kPartial};
    if (c.factor.empty()) return {};
    const Share share = share_at(o.output_axes[k], n.outputs[k], c);
    if (share.kind == Kind::kCut) return share;
    const auto reduction = def.reduces.find(o.outputs[k]);
    if (reduction == def.reduces.end()) return {.kind = Kind::kPartial};
    const auto word = std::find(graph::kReductionWords.begin(), graph::kReductionWords.end(), reduction->second);
    return {.kind = Kind::kPartial, .reduction = static_cast<Reduction>(word - graph::kReductionWords.begin())};
  }

  // The tensor that the node writes for output k, and, where this is not yet `t` in its layout, the need to settle it.
  TensorId output(TensorId t, const Share& made, bool adds, Node& out, size_t k, std::vector<std::pair<TensorId, TensorId>>& later) {
    out_.outdate(main_[t]);
    if (!known_[t]) adopt(t, made);
    const TensorId main = main_[t];
    if (out_.share(main) == made) return main;
    if (adds && !is_state(main) && out_.share(main).kind == Kind::kPartial) {
      // The terms so far are summed apart from those that are not partial: they are completed together.
      apart_[t] = main;
      out.accumulate &= ~(1u << k);
      return main_[t] = out_.add_like(main, made);
    }
    if (adds && !is_state(main) && made.kind == Kind::kPartial) {
      TensorId& apart = apart_[t];
      if (!apart) out.accumulate &= ~(1u << k);
      return apart ? apart : apart = out_.add_like(main, made);
    }
    const TensorId own = out_.add_like(main, made);
    out.accumulate &= ~(1u << k);
    later.push_back({own, t});
    return own;
  }

  // The layout of a tensor whose first writer makes it so.
  void adopt(TensorId t, const Share& made) {
    if (const auto asked = asked_.find(t); asked != asked_.end()) return know(t, asked->second);
    if (!is_state(t)) return know(t, made);
    if (made.kind != Kind::kPartial) return know(t, Share{});
    if (!statistics_.contains(t) || !g_.tensors[t].layout.owes.empty()) return know(t, made);
    // The program reads a statistic by its name: this one becomes the total of another that is partial.
    know(t, Share{});
    const TensorId part = out_.add_part_of(t, made);
    states_.insert(part);
    for (Node& n : g_.nodes)
      for (std::vector<TensorId>* operands : {&n.inputs, &n.outputs}) std::replace(operands->begin(), operands->end(), t, part);
    main_[t] = part;
  }

  void settle(TensorId from, TensorId t, const Node& n) {
    const TensorId main = main_[t];
    const auto k = static_cast<size_t>(std::find(n.outputs.begin(), n.outputs.end(), t) - n.outputs.begin());
    const bool adds = n.accumulate >> k & 1;
    double factor = 1;
    TensorId x = from;
    if (out_.share(main).kind == Kind::kPartial) {
      x = out_.version(from, Share{});
      factor = 1.0 / out_.dimension().ranks;  // of a sum of as many equal parts
    } else {
      x = out_.version(from, out_.share(main));
    }
    Node& out = out_.b.node("scale", {x}, {main}, {{"factor", attribute(factor)}});
    out.when = n.when;
    out.accumulate = adds;
  }

  RankGraph out_;
  Graph& g_;
  std::vector<TensorId> main_;  // by tensor of the given graph: the tensor with its value in the layout in which it is written
  std::vector<bool> known_, weight_;
  std::map<TensorId, Share> asked_;
  std::map<TensorId, TensorId> apart_;  // partial terms of a sum whose other terms are not partial
  std::set<TensorId> states_, statistics_;
};

}  // namespace

OneRank cut(Graph g, const Dimension& dimension, std::span<const AskedCut> asked) { return Cutter(std::move(g), dimension, asked).run(); }

}  // namespace corral::partition
