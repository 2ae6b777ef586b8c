// Continues prompts: prefill in a few sizes, then decode over the cache, in a fixed number of slots.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <vector>

#include "kernel/generate/sampler.h"
#include "kernel/runtime/session.h"

namespace corral::generate {

enum class Finish { kStop, kLength };  // an end token or the caller; the most tokens that were asked for

struct Limits {
  uint64_t max_new_tokens = 0;
  std::set<int32_t> end_ids;
  // A text resumes from the tokens that its slot's cache already contains: a chat reads each turn once.
  bool keep_cache = false;
};

struct Speed {
  uint64_t prompt_tokens = 0, new_tokens = 0;
  double prompt_seconds = 0, decode_seconds = 0;
  uint64_t decoded = 0;  // tokens generated in decode_seconds, without the first of each text, which prefill gives
};

struct Events {
  // Receives each token that is not an end token. Returning false ends this text.
  std::function<bool(size_t prompt, int32_t id)> token;
  std::function<void(size_t prompt, Finish)> finished;
};

class Generator {
 public:
  // Token positions of each program; the last program decodes, the others prefill.
  static constexpr int64_t kSizes[] = {256, 64, 16, 1};

  // `session` is allocated and has the graph "generation.SIZE" of each size.
  explicit Generator(runtime::Session& session);

  // Reports texts in the order in which they end. A prompt has at least one token, and fits the cache together with its continuation.
  Speed run(const std::vector<std::vector<int32_t>>& prompts, const Sampling& sampling, const Limits& limits, const Events& events);

 private:
  struct Slot {
    bool busy = false;
    size_t prompt = 0, prompt_length = 0;
    std::vector<int32_t> ids;  // prompt and continuation
    size_t done = 0;           // of ids, in the cache
  };
  // Feeds each slot up to `size` of its next tokens; logits_ then belong to the last token of each slot.
  void advance(size_t size_index, bool prompts_only);
  void choose(Sampler& sampler, const Limits& limits, const Events& events, Speed& speed);

  runtime::Session& session_;
  struct Program {
    size_t number;
    runtime::TensorRef tokens, positions, first_key, last, logits;
  };
  std::vector<Program> programs_;
  size_t prepare_;  // the nodes that depend on parameters only
  std::vector<Slot> slots_;
  std::vector<float> logits_;
  std::vector<int32_t> tokens_, positions_, first_key_, last_;
};

}  // namespace corral::generate
