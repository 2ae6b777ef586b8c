// Megatron's learning-rate schedules.
#pragma once

#include <cstdint>
#include <string>

namespace corral::adamw {

struct Schedule {
  std::string style;  // constant, linear, cosine, WSD, inverse-square-root
  double lr, min_lr, lr_warmup_init;
  int64_t warmup, decay;        // in steps; decay counts from step 0
  int64_t wsd_decay;            // steps of the final decay of WSD
  std::string wsd_decay_style;  // linear, cosine, exponential, minus_sqrt
};

// The learning rate of the update that follows `done` finished steps.
double learning_rate(const Schedule& s, int64_t done);

// Throws Error if the keys contradict each other, naming a value that fits.
void check(const Schedule& s);

}  // namespace corral::adamw
