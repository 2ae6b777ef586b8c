// Chooses the modules that are adapted or trained whole. Users name them by Hugging Face's names (q_proj), Megatron's canonical names
// (linear_q), or Megatron's fused names (linear_qkv: q, k and v share their first matrix).
#pragma once

#include <string>
#include <vector>

#include "corral/graph.h"

namespace corral::lowrank {

// A linear layer: a product of an activation and a parameter.
struct Linear {
  size_t node;
  std::string module;  // such as model.layers.0.self_attn.q_proj
  TensorId x, weight, y;
  int64_t in, out;
};

std::vector<Linear> linears(const Graph& g);

// Linear layers with the same input whose adapters share the first matrix; usually a single layer.
struct Group {
  std::string module;  // the layer's own name, or the fused one: model.layers.0.self_attn.linear_qkv
  std::vector<size_t> members;
};

// The groups, in the order of the graph. A target is the end of a module's name (q_proj, self_attn.q_proj) or a pattern with * for the
// whole name (*.layers.0.*.linear_qkv). Throws Error (2) if a target names no linear layer (with the nearest name), or if two targets ask
// for different groups of one layer.
std::vector<Group> choose_targets(const std::vector<Linear>& all, const std::vector<std::string>& targets);

// The states that `modules` name (embed_tokens, lm_head, norm, input_layernorm; norms: all norms). A tied lm_head is embed_tokens.
std::vector<size_t> choose_whole(const Graph& g, const std::vector<std::string>& modules);

// Megatron's names of a linear layer: its own (linear_fc1_gate) and that of its fused layer (linear_fc1); "" if there is none.
struct MegatronNames {
  std::string own, fused;
};
MegatronNames megatron_names(const std::string& module);

// The name of a parameter's module: the name without .weight.
std::string module_of(const std::string& parameter);

// The shortest names that choose exactly these modules of `all`: q_proj if every module that ends with it is chosen, else full names.
std::vector<std::string> shortest_names(const std::vector<std::string>& chosen, const std::vector<std::string>& all);

}  // namespace corral::lowrank
