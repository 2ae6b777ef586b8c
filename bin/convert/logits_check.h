// Runs two models on the same prompts and compares their logits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bin/job/host.h"
#include "bin/job/model_source.h"

namespace corral::convert {

struct LogitsCheck {
  static constexpr int64_t kPrompts = 3, kTokens = 32;
  std::string skipped;  // why nothing was compared, or ""
  double largest = 0, difference = 0;
  size_t prompt = 0;  // with the largest difference

  // Both sides are computed by the same program: any difference is an error, not rounding.
  bool passed() const { return difference <= 1e-6 * largest; }
  std::string sentence(const std::string& a, const std::string& b) const;
};

struct LogitsCheckOptions {
  config::Sources sources;  // device and threads that run the models
  uint64_t memory = 0;      // bytes that one model may use; 0: all free memory
};

// Compares in fp32. The positions of the last prompt have a gap, 0 to 15, then 9,000 to 9,015: a lost scaling of the positions shows there.
LogitsCheck check_logits(const job::Host& host, const LogitsCheckOptions& options, const job::ModelSource& a, const job::ModelSource& b);

// Compares the source, as its own files describe it, with the folder that was written from it.
LogitsCheck check_conversion(const job::Host& host, const LogitsCheckOptions& options, const job::ModelSource& source,
                             const std::string& target);

}  // namespace corral::convert
