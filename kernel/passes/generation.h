// From the training forward pass to one that generates: the same graph with cached attention and logits instead of the loss.
#pragma once

#include "corral/graph.h"

namespace corral::passes {

// The same without dropout, for everything but training.
Graph without_dropout(Graph forward);

// The output `logits` f32 [batch, seq, vocabulary] instead of the losses; attention stays as it is.
Graph logits_of_all(Graph forward);

// `logits` f32 [batch, 1, vocabulary] of the place that input `last` i32 [batch] names, over key and value caches of `cache_length` places:
// states cache.key.SCOPE and cache.value.SCOPE. Places with positions < 0 are padding.
Graph generation(Graph forward, int64_t cache_length);

}  // namespace corral::passes
