// Samples the next token from the logits of one token position.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace corral::generate {

struct Sampling {
  double temperature = 0;         // 0 always takes the most probable token
  int64_t top_k = 0;              // number of most probable tokens that are kept; 0: all
  double top_p = 1;               // keeps the most probable tokens that together reach this probability
  double min_p = 0;               // keeps tokens with at least this share of the highest probability
  double repetition_penalty = 1;  // divides positive logits of earlier tokens, multiplies negative ones
  uint64_t seed = 0;
};

class Sampler {
 public:
  explicit Sampler(const Sampling& sampling) : sampling_(sampling) {}

  // `before` is the prompt and the continuation so far. `stream` and `place` key the random number, so that a text does not depend on texts
  // that are generated beside it.
  int32_t next(std::span<const float> logits, std::span<const int32_t> before, uint64_t stream, uint64_t place);

 private:
  struct Choice {
    int32_t id;
    double logit, weight;
  };
  void penalize(std::span<const int32_t> before);
  void cut();

  Sampling sampling_;
  std::vector<float> logits_;
  std::vector<Choice> choices_;
};

}  // namespace corral::generate
