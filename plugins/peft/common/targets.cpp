#include "plugins/peft/common/targets.h"

#include <algorithm>
#include <map>
#include <set>

#include "corral/error.h"

namespace corral::lowrank {
namespace {

// Megatron's name of a layer: the block, the layer's own name, and the fused layer that it is a part of ("" if none).
struct MegatronName {
  const char* hugging_face;
  const char* block;
  const char* own;
  const char* fused;
};
constexpr MegatronName kMegatron[] = {{"self_attn.q_proj", "self_attention", "linear_q", "linear_qkv"},
                                      {"self_attn.k_proj", "self_attention", "linear_k", "linear_qkv"},
                                      {"self_attn.v_proj", "self_attention", "linear_v", "linear_qkv"},
                                      {"self_attn.o_proj", "self_attention", "linear_proj", ""},
                                      {"mlp.gate_proj", "mlp", "linear_fc1_gate", "linear_fc1"},
                                      {"mlp.up_proj", "mlp", "linear_fc1_up", "linear_fc1"},
                                      {"mlp.down_proj", "mlp", "linear_fc2", ""}};

struct Names {
  std::string own, canonical, fused;  // the last two may be ""
  std::string fused_module;           // the fused name in Hugging Face's module path
};

Names names_of(const std::string& module) {
  Names n{module, "", "", ""};
  for (const MegatronName& m : kMegatron) {
    const std::string end = std::string(".") + m.hugging_face;
    if (!module.ends_with(end)) continue;
    const std::string layer = module.substr(0, module.size() - end.size());  // such as model.layers.0
    const std::string decoder = layer.starts_with("model.") ? "decoder." + layer.substr(6) : layer;
    n.canonical = decoder + "." + m.block + "." + m.own;
    if (!*m.fused) continue;
    n.fused = decoder + "." + m.block + "." + m.fused;
    n.fused_module = module.substr(0, module.rfind('.') + 1) + m.fused;
  }
  return n;
}

std::string last_part(const std::string& name) { return name.substr(name.rfind('.') + 1); }

// A * matches any number of characters, including dots.
bool fits(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = std::string_view::npos, from = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p, ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++from;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool names(const std::string& target, const std::string& module) {
  if (module.empty()) return false;
  return target.find('*') == std::string::npos ? module == target || module.ends_with("." + target)
                                               : fits(target, module) || fits("*." + target, module);
}

std::vector<std::string> known_names(const std::vector<Linear>& all) {
  std::vector<std::string> known;
  const auto add = [&](const std::string& name) {
    if (!name.empty() && std::find(known.begin(), known.end(), name) == known.end()) known.push_back(name);
  };
  for (const Linear& l : all) add(last_part(l.module));
  for (const Linear& l : all) add(last_part(names_of(l.module).fused));
  for (const Linear& l : all) add(last_part(names_of(l.module).canonical));
  return known;
}

std::string listed(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all;
}

[[noreturn]] void no_such(const char* key, size_t index, const std::string& name, const std::vector<std::string>& known) {
  const std::string near = nearest(last_part(name), known);
  fail("peft.{}[{}] = \"{}\": no such module in the model{}\n       there are: {}", key, index, name,
       near.empty() ? "" : "\n       did you mean \"" + near + "\"?", listed(known));
}

}  // namespace

std::string module_of(const std::string& parameter) {
  constexpr std::string_view kWeight = ".weight";
  return parameter.ends_with(kWeight) ? parameter.substr(0, parameter.size() - kWeight.size()) : parameter;
}

MegatronNames megatron_names(const std::string& module) {
  const Names n = names_of(module);
  return {last_part(n.canonical), last_part(n.fused)};
}

std::vector<Linear> linears(const Graph& g) {
  std::vector<bool> parameter(g.tensors.size());
  for (const State& s : g.states) parameter[s.tensor] = s.kind == StateKind::PARAMETER;
  std::vector<Linear> all;
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    if (n.phase != Phase::FORWARD || op_of(g, n) != "product" || n.inputs.size() != 2 || !parameter[n.inputs[1]]) continue;
    const Attribute* role = find_attribute(g, n, "role");
    if (!role || role->text != "fprop") continue;
    const Shape& w = g.tensors[n.inputs[1]].shape;
    all.push_back({i, module_of(name_of(g, n.inputs[1])), n.inputs[0], n.inputs[1], n.outputs[0], w[1], w[0]});
  }
  return all;
}

std::vector<Group> choose_targets(const std::vector<Linear>& all, const std::vector<std::string>& targets) {
  std::vector<std::string> group_of(all.size()), asked_by(all.size());
  for (size_t t = 0; t < targets.size(); ++t) {
    bool any = false;
    for (size_t i = 0; i < all.size(); ++i) {
      const Names n = names_of(all[i].module);
      const bool own = names(targets[t], n.own) || names(targets[t], n.canonical), fused = !own && names(targets[t], n.fused);
      if (!own && !fused) continue;
      any = true;
      const std::string& group = own ? n.own : n.fused_module;
      if (!group_of[i].empty() && group_of[i] != group)
        fail("peft.target_modules: \"{}\" and \"{}\" both name {}, one of them as a part of {}: leave one out", asked_by[i], targets[t],
             n.own, n.fused_module);
      group_of[i] = group;
      asked_by[i] = targets[t];
    }
    if (!any) no_such("target_modules", t, targets[t], known_names(all));
  }
  std::vector<Group> groups;
  std::map<std::string, size_t> number;
  for (size_t i = 0; i < all.size(); ++i) {
    if (group_of[i].empty()) continue;
    const auto [at, added] = number.emplace(group_of[i], groups.size());
    if (added) groups.push_back({group_of[i], {}});
    Group& group = groups[at->second];
    if (!group.members.empty() && all[group.members[0]].x != all[i].x)
      fail("peft.target_modules: the parts of {} have different inputs in this model: name them apart", group.module);
    group.members.push_back(i);
  }
  return groups;
}

std::vector<size_t> choose_whole(const Graph& g, const std::vector<std::string>& modules) {
  std::vector<std::string> known;
  bool has_head = false;
  for (const State& s : g.states) has_head = has_head || last_part(module_of(name_of(g, s.tensor))) == "lm_head";
  std::set<size_t> chosen;
  for (size_t m = 0; m < modules.size(); ++m) {
    const std::string wanted = !has_head && modules[m] == "lm_head" ? "embed_tokens" : modules[m];
    bool any = false;
    for (size_t i = 0; i < g.states.size(); ++i) {
      const State& s = g.states[i];
      if (s.kind != StateKind::PARAMETER) continue;
      const std::string module = module_of(name_of(g, s.tensor));
      if (!names(wanted, module) && !(wanted == "norms" && g.tensors[s.tensor].shape.size() == 1)) continue;
      any = true;
      chosen.insert(i);
    }
    if (any) continue;
    for (const State& s : g.states)
      if (const std::string name = last_part(module_of(name_of(g, s.tensor)));
          s.kind == StateKind::PARAMETER && std::find(known.begin(), known.end(), name) == known.end())
        known.push_back(name);
    known.emplace_back("norms");
    no_such("modules_to_save", m, modules[m], known);
  }
  return {chosen.begin(), chosen.end()};
}

std::vector<std::string> shortest_names(const std::vector<std::string>& chosen, const std::vector<std::string>& all) {
  const std::set<std::string> in(chosen.begin(), chosen.end());
  std::set<std::string> result;
  for (const std::string& module : chosen) {
    const std::string end = last_part(module);
    const bool just_these =
        std::all_of(all.begin(), all.end(), [&](const std::string& other) { return !other.ends_with(end) || in.contains(other); });
    result.insert(just_these ? end : module);
  }
  return {result.begin(), result.end()};
}

}  // namespace corral::lowrank
