// Which parts of a model are adapted or trained whole, by the names that users know: Hugging Face's (q_proj), Megatron's canonical ones
// (linear_q) and fused ones (linear_qkv: q, k and v share their first matrix).
#pragma once

#include <string>
#include <vector>

#include "corral/graph.h"

namespace corral::lowrank {

// A product of an activation and a parameter.
struct Linear {
  size_t node;
  std::string module;  // model.layers.0.self_attn.q_proj
  TensorId x, weight, y;
  int64_t in, out;
};

std::vector<Linear> linears(const Graph& g);

// Linear layers over one input that share the first matrix of their adapters; most often a single one.
struct Group {
  std::string module;  // the layer's own, or where they share: model.layers.0.self_attn.linear_qkv
  std::vector<size_t> members;
};

// In the order of the graph. A target is the end of a module's name (q_proj, self_attn.q_proj), or a pattern with * over all of it
// (*.layers.0.*.linear_qkv). Throws Error (2) naming the target and the nearest where it names no linear layer, and where two ask for
// different things of one layer.
std::vector<Group> choose_targets(const std::vector<Linear>& all, const std::vector<std::string>& targets);

// States that `modules` (embed_tokens, lm_head, norm, input_layernorm, norms: all of these) name; a tied lm_head is embed_tokens.
std::vector<size_t> choose_whole(const Graph& g, const std::vector<std::string>& modules);

// What Megatron calls a linear layer by itself, linear_fc1_gate, and as a part of a fused one, linear_fc1; "" where it has no such name.
struct MegatronNames {
  std::string own, fused;
};
MegatronNames megatron_names(const std::string& module);

// The name of a parameter's module: without .weight.
std::string module_of(const std::string& parameter);

// The shortest names that choose just these of all modules where a name stands for all that end with it: q_proj, or else full names.
std::vector<std::string> shortest_names(const std::vector<std::string>& chosen, const std::vector<std::string>& all);

}  // namespace corral::lowrank
