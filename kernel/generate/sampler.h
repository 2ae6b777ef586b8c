// The next token from a row of logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace corral::generate {

struct Sampling {
  double temperature = 0;         // 0: the likeliest token
  int64_t top_k = 0;              // only so many likeliest; 0: all
  double top_p = 1;               // only the likeliest that together have this probability
  double min_p = 0;               // only those with this share of the likeliest one's probability
  double repetition_penalty = 1;  // divides the positive logits of tokens that stood before, multiplies the negative ones
  uint64_t seed = 0;
};

class Sampler {
 public:
  explicit Sampler(const Sampling& sampling) : sampling_(sampling) {}

  // `before`: prompt and continuation so far. `stream` and `place` key the random number, so that a text does not depend on what is
  // generated beside it.
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
