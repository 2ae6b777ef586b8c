// Turns the forward graph of training into one that generates: with a cache for attention and logits instead of the loss.
#pragma once

#include "corral/graph.h"

namespace corral::passes {

// Removes dropout, for everything but training.
Graph without_dropout(Graph forward);

// Replaces the losses by the output `logits` f32 [batch, seq, vocabulary]. Attention stays without a cache.
Graph logits_of_all(Graph forward);

// Replaces the losses by `logits` f32 [batch, 1, vocabulary] of the token position in the new input `last` i32 [batch], and adds key and
// value caches of `cache_length` token positions: the states cache.key.SCOPE and cache.value.SCOPE. A position < 0 is padding.
Graph generation(Graph forward, int64_t cache_length);

}  // namespace corral::passes
