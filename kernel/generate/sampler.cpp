#include "kernel/generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "kernel/runtime/random.h"

namespace corral::generate {

int32_t Sampler::next(std::span<const float> logits, std::span<const int32_t> before, uint64_t stream, uint64_t place) {
  logits_.assign(logits.begin(), logits.end());
  penalize(before);
  const auto best = static_cast<int32_t>(std::max_element(logits_.begin(), logits_.end()) - logits_.begin());
  if (sampling_.temperature <= 0) return best;
  const auto highest = static_cast<double>(logits_[static_cast<size_t>(best)]);
  choices_.clear();
  for (size_t i = 0; i < logits_.size(); ++i) {
    const auto logit = static_cast<double>(logits_[i]);
    choices_.push_back({static_cast<int32_t>(i), logit, std::exp((logit - highest) / sampling_.temperature)});
  }
  cut();
  double total = 0;
  for (const Choice& c : choices_) total += c.weight;
  double left = total * runtime::uniform(runtime::key_of(sampling_.seed, "sample"), stream << 32 | place);
  for (const Choice& c : choices_)
    if ((left -= c.weight) < 0) return c.id;
  return choices_.back().id;
}

void Sampler::penalize(std::span<const int32_t> before) {
  if (sampling_.repetition_penalty == 1) return;
  const auto penalty = static_cast<float>(sampling_.repetition_penalty);
  for (const int32_t id : std::set<int32_t>(before.begin(), before.end())) {
    float& x = logits_[static_cast<size_t>(id)];
    x = x > 0 ? x / penalty : x * penalty;
  }
}

// Each limit applies to the tokens that the previous one kept, most probable first. The most probable token is always kept.
void Sampler::cut() {
  const auto likelier = [](const Choice& a, const Choice& b) { return a.logit != b.logit ? a.logit > b.logit : a.id < b.id; };
  std::sort(choices_.begin(), choices_.end(), likelier);
  if (sampling_.top_k > 0 && choices_.size() > static_cast<size_t>(sampling_.top_k)) choices_.resize(static_cast<size_t>(sampling_.top_k));
  if (sampling_.top_p < 1) {
    double total = 0, sum = 0;
    for (const Choice& c : choices_) total += c.weight;
    size_t kept = 0;
    while (kept < choices_.size() && (kept == 0 || sum < sampling_.top_p * total)) sum += choices_[kept++].weight;
    choices_.resize(kept);
  }
  const double least = sampling_.min_p * choices_[0].weight;
  while (choices_.back().weight < least) choices_.pop_back();
}

}  // namespace corral::generate
