// A fine-tuning method for tests only: each output feature of a linear layer is multiplied by a trained factor that starts at one.
#include <algorithm>

#include "corral/graph.h"
#include "corral/peft.h"
#include "options.wire.h"

namespace {
using namespace corral;

class RowFactors final : public Peft<options::row_factors::Options> {
  struct Target {
    size_t node;
    TensorId weight, factors;
  };

  static std::string factors_name(const std::string& weight) { return weight.substr(0, weight.rfind('.')) + ".factors"; }

  // Freezes all parameters and adds the factors as states; no node uses them yet.
  static std::vector<Target> add_states(Graph& g, const Options& o) {
    for (State& s : g.states) s.trained = false;
    std::vector<Target> targets;
    GraphBuilder b(g);
    for (size_t i = 0; i < g.nodes.size(); ++i) {
      if (op_of(g, g.nodes[i]) != "product") continue;
      const TensorId weight = g.nodes[i].inputs[1];
      if (!name_of(g, weight).ends_with(o.target + ".weight")) continue;
      State s;
      s.trained = s.saved = true;
      s.init = InitKind::ONES;
      targets.push_back({i, weight, b.state(factors_name(name_of(g, weight)), DType::F32, {g.tensors[weight].shape[0]}, s)});
    }
    if (targets.empty()) fail("peft.target = \"{}\": no such module", o.target);
    return targets;
  }

  Graph transform(Graph g, const Options& o, bool) override {
    const std::vector<Target> targets = add_states(g, o);
    GraphBuilder b(g);
    std::vector<Node> nodes = std::move(g.nodes), all;
    for (size_t i = 0; i < nodes.size(); ++i) {
      const auto target = std::find_if(targets.begin(), targets.end(), [&](const Target& t) { return t.node == i; });
      all.push_back(nodes[i]);
      if (target == targets.end()) continue;
      const TensorId y = nodes[i].outputs[0], plain = b.tensor("plain", DType::F32, g.tensors[y].shape);
      all.back().outputs[0] = plain;
      b.scope = g.names[nodes[i].scope];
      all.push_back(b.node("scale_features", {plain, target->factors}, {y}));
    }
    g.nodes = std::move(all);
    return g;
  }

  Graph initialize(Graph, const Options&) override {
    Graph none;
    none.names.emplace_back();
    none.tensors.emplace_back();
    return none;
  }

  Graph merge(Graph g, const Options& o) override {
    const std::vector<Target> targets = add_states(g, o);
    g.nodes.clear();
    g.inputs.clear();
    g.outputs.clear();
    GraphBuilder b(g);
    for (const Target& t : targets) {
      const TensorId merged = b.tensor("merged", DType::F32, g.tensors[t.weight].shape);
      b.node("scale_rows", {t.weight, t.factors}, {merged});
      b.output(name_of(g, t.weight), merged);
    }
    return g;
  }

  WeightMap weight_map(const PeftRequest& request, const Options& o) override {
    Graph g = request.graph;
    WeightMap map;
    for (const Target& t : add_states(g, o)) {
      View v;
      v.tensor = name_of(g, t.factors);
      v.sizes = g.tensors[t.factors].shape;
      v.strides = {1};
      WeightEntry e;
      e.external = e.parameter = v;
      map.entries.push_back(e);
      TensorInfo info;
      info.name = v.tensor;
      info.shape = v.sizes;
      map.externals.push_back(info);
    }
    return map;
  }

  Recognition recognize(const DialectConfig& file) override {
    Recognition r;
    const std::string head = "row factors of ";
    r.reason = "its configuration begins with other words";
    if (!file.content.starts_with(head)) return r;
    const size_t end = file.content.find('\n');
    Options o;
    o.target = file.content.substr(head.size(), end - head.size());
    r.options = o.encode();
    r.base = file.content.substr(end + 1);
    r.confidence = 100;
    r.reason = "its configuration says so";
    return r;
  }

  std::string write_config(const PeftRequest& request, const Options& o) override {
    return "row factors of " + o.target + "\n" + request.base;
  }
};
}  // namespace

CORRAL_PLUGIN(RowFactors)
