// Two models on the same prompts: their logits side by side.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bin/job/model_source.h"
#include "bin/terminal/command.h"

namespace corral::cli {

struct LogitsCheck {
  static constexpr int64_t kPrompts = 3, kTokens = 32;
  std::string skipped;  // why nothing was compared, or ""
  double largest = 0, difference = 0;
  size_t prompt = 0;  // that differs most

  // Both sides are computed by the same program: what they differ by is no rounding.
  bool passed() const { return difference <= 1e-6 * largest; }
  std::string sentence(const std::string& a, const std::string& b) const;
};

// In fp32. The positions of the last prompt have a gap, 0 to 15, then 9,000 to 9,015: what lost the scaling of its positions shows there.
// `memory`: bytes that one model may take, 0 for what is free.
LogitsCheck check_logits(const Arguments& arguments, const ModelSource& a, const ModelSource& b, uint64_t memory);

// The source as its own files describe it, against what was written of it.
LogitsCheck check_conversion(const Arguments& arguments, const ModelSource& source, const std::string& target, uint64_t memory);

}  // namespace corral::cli
