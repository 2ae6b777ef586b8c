#include "plugins/peft/common/adapters.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "corral/error.h"

namespace corral::lowrank {
namespace {

const std::string kPrefix = "base_model.model.";

NamedAttribute role(const char* name) { return {"role", attribute(std::string(name))}; }

// The dropout key hashes the module's name (FNV-1a): a running count would depend on the layout.
int64_t dropout_key(const std::string& module) {
  uint64_t h = 0xcbf29ce484222325u;
  for (const char c : module) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return static_cast<int64_t>(h >> 1);
}

struct Init {
  const char* name;
  InitKind kind;
  double (*scale)(double in, double dim);
};
constexpr Init kInits[] = {{"xavier", InitKind::NORMAL, [](double in, double dim) { return std::sqrt(2 / (in + dim)); }},
                           {"xavier_uniform", InitKind::UNIFORM, [](double in, double dim) { return std::sqrt(6 / (in + dim)); }},
                           {"kaiming", InitKind::UNIFORM, [](double in, double) { return 1 / std::sqrt(in); }},
                           {"gaussian", InitKind::NORMAL, [](double, double dim) { return 1 / dim; }}};

const Init& find_init(const std::string& name) {
  std::vector<std::string> names;
  for (const Init& i : kInits) {
    if (name == i.name) return i;
    names.emplace_back(i.name);
  }
  fail("peft.init = \"{}\": no such initialization{}", name, did_you_mean(name, names));
}

// Tensors that the members of a group share.
struct Shared {
  TensorId a = 0, scaled_a = 0;
  TensorId dropped = 0, rest = 0;  // drop(x), and x - drop(x)
  TensorId hidden = 0;             // s A x
};

class Emitter {
 public:
  Emitter(Graph graph, const Settings& s) : g(std::move(graph)), b(g), s_(s) {}

  TensorId parameter(const std::string& name, Shape shape, InitKind init, double scale = 0, bool keeps_type = false) {
    State state;
    state.kind = StateKind::PARAMETER;
    state.trained = state.saved = true;
    state.init = init;
    state.init_scale = scale;
    state.keeps_type = keeps_type;
    return b.state(name, DType::F32, std::move(shape), state);
  }
  TensorId first(const Group& group, const Linear& l) {
    const Init& init = find_init(s_.init);
    return parameter(first_matrix(group.module), {s_.dim, l.in}, init.kind,
                     init.scale(static_cast<double>(l.in), static_cast<double>(s_.dim)));
  }
  TensorId second(const Linear& l) { return parameter(second_matrix(l.module), {l.out, s_.dim}, InitKind::ZEROS); }
  // `initialize` computes its first value. It scales a whole row: rounding it would change every output of the row, so it stays float32.
  TensorId magnitude_of(const Linear& l) { return parameter(magnitude(l.module), {l.out}, InitKind::ZEROS, 0, true); }

  TensorId tensor(const std::string& name, Shape shape) { return b.tensor(b.scope + "." + name, DType::F32, std::move(shape)); }
  TensorId like(const std::string& name, TensorId x, int64_t last) {
    Shape shape = g.tensors[x].shape;
    shape.back() = last;
    return tensor(name, std::move(shape));
  }
  TensorId scaled(TensorId x, double factor, const std::string& name) {
    if (factor == 1) return x;
    const TensorId y = tensor(name, g.tensors[x].shape);
    b.node("scale", {x}, {y}, {{"factor", attribute(factor)}});
    return y;
  }
  // The tensor W + s B A.
  TensorId sum(const Linear& l, TensorId scaled_a, TensorId second, When when) {
    const TensorId w = tensor(l.module + ".adapted", {l.out, l.in});
    b.node("cast", {l.weight}, {w}).when = when;
    Node& product = b.node("product", {second, scaled_a}, {w}, {role("dgrad")});
    product.accumulate = 1;
    product.when = when;
    return w;
  }
  // The norm of each row of w, from a sum of squares that ranks may have parts of.
  void row_norm(TensorId w, TensorId norm, When when = When::EVERY) {
    const TensorId squares = tensor(name_of(g, norm) + ".squares", g.tensors[norm].shape);
    b.node("row_squares", {w}, {squares}).when = when;
    b.node("sqrt", {squares}, {norm}).when = when;
  }

  Graph g;
  GraphBuilder b;

 private:
  const Settings& s_;
};

// Removes the states that no node uses.
Graph without_unused_states(Graph g) {
  std::vector<bool> used(g.tensors.size());
  for (const Node& n : g.nodes)
    for (const auto* side : {&n.inputs, &n.outputs})
      for (const TensorId t : *side) used[t] = true;
  std::erase_if(g.states, [&](const State& s) { return !used[s.tensor]; });
  return g;
}

View whole(const std::string& name, const Shape& shape) {
  View v;
  v.tensor = name;
  v.sizes = shape;
  v.strides.resize(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0; stride *= shape[i]) v.strides[i] = stride;
  return v;
}

void map_one(WeightMap& map, const std::string& external, const std::string& parameter, const Shape& shape, bool again = false) {
  WeightEntry e;
  e.kind = again ? WeightEntry_Kind::REPEAT : WeightEntry_Kind::PAIR;
  e.external = whole(external, shape);
  e.parameter = whole(parameter, shape);
  map.entries.push_back(std::move(e));
  TensorInfo t;
  t.name = external;
  t.shape = shape;
  map.externals.push_back(std::move(t));
}

std::vector<std::string> modules(const Graph& g) {
  std::vector<std::string> all;
  for (const State& s : g.states)
    if (s.kind == StateKind::PARAMETER) all.push_back(module_of(name_of(g, s.tensor)));
  return all;
}

// The module name under which a tied weight is stored a second time; "" if it is not tied.
std::string tied_name(const Graph& g, const State& s) {
  const std::string module = module_of(name_of(g, s.tensor));
  constexpr std::string_view kEmbedding = "embed_tokens";
  if (!module.ends_with(kEmbedding)) return "";
  for (const Node& n : g.nodes)
    if (op_of(g, n) == "linear_lse" && n.inputs.size() > 1 && n.inputs[1] == s.tensor) return "lm_head";
  return "";
}

}  // namespace

std::string first_matrix(const std::string& module) { return kPrefix + module + ".lora_A.weight"; }
std::string second_matrix(const std::string& module) { return kPrefix + module + ".lora_B.weight"; }
std::string magnitude(const std::string& module) { return kPrefix + module + ".lora_magnitude_vector.weight"; }

double Settings::scale() const { return use_rslora ? alpha / std::sqrt(static_cast<double>(dim)) : alpha / static_cast<double>(dim); }

void check(const Settings& s) {
  if (s.dim < 1 || s.dim > 1 << 16) fail("peft.dim = {}: expected the rank of the adapters, 1 to 65536; 8 to 64 are usual", s.dim);
  if (!(s.alpha > 0) || !std::isfinite(s.alpha))
    fail("peft.alpha = {}: expected more than 0; peft.dim = {} scales the adapters by 1", s.alpha, s.dim);
  if (!(s.dropout >= 0 && s.dropout < 1)) fail("peft.dropout = {}: expected 0 or more and less than 1", s.dropout);
  find_init(s.init);
}

Adapters::Adapters(Graph model, const Settings& settings)
    : s_(settings),
      model_(std::move(model)),
      linears_(linears(model_)),
      groups_(choose_targets(linears_, s_.target_modules)),
      whole_(choose_whole(model_, s_.modules_to_save)) {
  check(s_);
}

Graph Adapters::transform(bool deterministic) const {
  Emitter e(model_, s_);
  Graph& g = e.g;
  for (State& s : g.states)
    if (s.kind == StateKind::PARAMETER) s.trained = false;
  for (const size_t i : whole_) g.states[i].trained = true;

  const bool drops = s_.dropout > 0 && !deterministic;
  const TensorId token_index = find_port(g, g.inputs, "token_index"), seed = find_port(g, g.inputs, "seed");
  if (drops && (!token_index || !seed)) fail("peft.dropout = {}: the model's graph has no inputs \"token_index\" and \"seed\"", s_.dropout);
  std::vector<const Group*> group_of(linears_.size());
  for (const Group& group : groups_)
    for (const size_t i : group.members) group_of[i] = &group;

  const std::vector<Node> nodes = std::move(g.nodes);
  g.nodes.clear();
  Shared now;
  size_t next = 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    g.nodes.push_back(nodes[i]);
    if (next == linears_.size() || linears_[next].node != i) continue;
    const Linear& l = linears_[next];
    const Group* group = group_of[next++];
    if (!group) continue;
    Node base = std::move(g.nodes.back());
    g.nodes.pop_back();
    e.b.scope = g.names[base.scope];

    if (&l == &linears_[group->members[0]]) {
      now = {.a = e.first(*group, l)};
      if (s_.magnitude) {
        now.scaled_a = e.scaled(now.a, s_.scale(), group->module + ".scaled_A");
        if (now.scaled_a != now.a) g.nodes.back().when = When::FIRST;
      }
      TensorId x = l.x;
      if (drops) {
        now.dropped = e.like(group->module + ".dropout", l.x, l.in);
        e.b.node("dropout", {l.x, token_index, seed}, {now.dropped},
                 {{"rate", attribute(s_.dropout)}, {"key", attribute(dropout_key(group->module))}});
        x = now.dropped;
        if (s_.magnitude) {
          now.rest = e.like(group->module + ".rest", l.x, l.in);
          e.b.node("add", {l.x, e.scaled(x, -1, group->module + ".negative")}, {now.rest});
        }
      }
      const TensorId a = e.like(group->module + ".lora_A", l.x, s_.dim);
      e.b.node("product", {x, now.a}, {a}, {role("fprop")});
      now.hidden = e.scaled(a, s_.scale(), group->module + ".hidden");
    }
    const TensorId second = e.second(l);
    if (!s_.magnitude) {
      g.nodes.push_back(std::move(base));
      e.b.node("product", {now.hidden, second}, {l.y}, {role("fprop")}).accumulate = 1;
      continue;
    }
    State norm_state;
    norm_state.kind = StateKind::STATISTIC;
    norm_state.of = l.weight;
    const TensorId m = e.magnitude_of(l), norm = e.b.state(kPrefix + l.module + ".norm", DType::F32, {l.out}, norm_state),
                   factor = e.tensor(l.module + ".factor", {l.out});
    // Weights do not change during a step, so one norm serves all its micro-batches.
    e.row_norm(e.sum(l, now.scaled_a, second, When::FIRST), norm, When::FIRST);
    e.b.node("divide", {m, norm}, {factor});
    const TensorId z = e.like(l.module + ".unscaled", l.y, l.out);
    base.outputs[0] = z;
    if (drops) base.inputs[0] = now.dropped;
    g.nodes.push_back(std::move(base));
    e.b.node("product", {now.hidden, second}, {z}, {role("fprop")}).accumulate = 1;
    e.b.node("scale_features", {z, factor}, {l.y});
    // The model's own share of the dropped values is kept.
    if (drops) e.b.node("product", {now.rest, l.weight}, {l.y}, {role("fprop")}).accumulate = 1;
  }
  return std::move(e.g);
}

Graph Adapters::initialize() const {
  Graph states = transform(true);
  states.nodes.clear();
  states.inputs.clear();
  states.outputs.clear();
  if (!s_.magnitude) {
    states.states.clear();
    return states;
  }
  Emitter e(std::move(states), s_);
  e.b.scope = "initialize";
  for (const Group& group : groups_)
    for (const size_t i : group.members)
      for (const State& s : e.g.states)
        if (name_of(e.g, s.tensor) == magnitude(linears_[i].module)) {
          e.row_norm(linears_[i].weight, s.tensor);
          break;
        }
  return without_unused_states(std::move(e.g));
}

Graph Adapters::merge() const {
  Graph model = model_;
  model.nodes.clear();
  model.inputs.clear();
  model.outputs.clear();
  Emitter e(std::move(model), s_);
  for (State& s : e.g.states) s.trained = false;
  e.b.scope = "merge";
  for (const Group& group : groups_) {
    const TensorId scaled_a = e.scaled(e.first(group, linears_[group.members[0]]), s_.scale(), group.module + ".scaled_A");
    for (const size_t i : group.members) {
      const Linear& l = linears_[i];
      TensorId merged = e.sum(l, scaled_a, e.second(l), When::EVERY);
      if (s_.magnitude) {
        const TensorId norm = e.tensor(l.module + ".norm", {l.out}), factor = e.tensor(l.module + ".factor", {l.out}),
                       scaled = e.tensor(l.module + ".merged", {l.out, l.in});
        e.row_norm(merged, norm);
        e.b.node("divide", {e.magnitude_of(l), norm}, {factor});
        e.b.node("scale_rows", {merged, factor}, {scaled});
        merged = scaled;
      }
      e.b.output(name_of(e.g, l.weight), merged);
    }
  }
  for (State& s : e.g.states) s.trained = false;
  return without_unused_states(std::move(e.g));
}

WeightMap Adapters::weight_map() const {
  WeightMap map;
  for (const Group& group : groups_)
    for (const size_t i : group.members) {
      const Linear& l = linears_[i];
      // A matrix shared by a group is stored once per member.
      map_one(map, first_matrix(l.module), first_matrix(group.module), {s_.dim, l.in}, i != group.members[0]);
      map_one(map, second_matrix(l.module), second_matrix(l.module), {l.out, s_.dim});
      if (s_.magnitude) map_one(map, module_of(magnitude(l.module)), magnitude(l.module), {l.out});
    }
  for (const size_t i : whole_) {
    const State& s = model_.states[i];
    const std::string& name = name_of(model_, s.tensor);
    map_one(map, kPrefix + name, name, model_.tensors[s.tensor].shape);
    if (const std::string tied = tied_name(model_, s); !tied.empty())
      map_one(map, kPrefix + tied + ".weight", name, model_.tensors[s.tensor].shape, true);
  }
  return map;
}

std::vector<std::string> Adapters::target_names() const {
  std::vector<std::string> chosen, all = modules(model_);
  for (const Group& group : groups_)
    for (const size_t i : group.members) chosen.push_back(linears_[i].module);
  return shortest_names(chosen, all);
}

std::vector<std::string> Adapters::whole_names() const {
  std::vector<std::string> chosen, all = modules(model_);
  for (const size_t i : whole_) {
    chosen.push_back(module_of(name_of(model_, model_.states[i].tensor)));
    if (const std::string tied = tied_name(model_, model_.states[i]); !tied.empty()) {
      chosen.push_back(tied);
      all.push_back(tied);
    }
  }
  return shortest_names(chosen, all);
}

}  // namespace corral::lowrank
