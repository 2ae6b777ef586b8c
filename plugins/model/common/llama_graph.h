// The Llama block as a graph: RMSNorm, grouped-query attention with RoPE, SwiGLU, tied or untied output layer. arXiv:2302.13971,
// arXiv:2407.21783
#pragma once

#include <cstdint>
#include <vector>

#include "corral/graph.h"

namespace corral::llama {

struct LlamaShape {
  int64_t num_hidden_layers, hidden_size, intermediate_size, num_attention_heads, num_key_value_heads, head_dim, vocab_size;
  bool tie_word_embeddings;
  double rms_norm_eps, initializer_range, hidden_dropout;
  std::vector<double> rope_frequencies;
};

// Throws Error naming the key if the sizes do not fit together.
void check(const LlamaShape& m);

// The forward pass of `batch` sequences of seq_length tokens, up to the output `losses`. Parameters have their Hugging Face names.
Graph emit(const LlamaShape& m, int64_t batch, int64_t seq_length);

struct ParameterInfo {
  std::string name;
  Shape shape;
};

// All parameters, in the order of the graph's states.
std::vector<ParameterInfo> parameters(const LlamaShape& m);

}  // namespace corral::llama
