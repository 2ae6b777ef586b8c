// RoPE frequencies of the Llama 3 family. arXiv:2104.09864; the scaling is from Llama 3.1's model card.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace corral::llama {

struct RopeScaling {
  double factor = 1;  // 1: no scaling
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  double original_max_position_embeddings = 8192;
};

// head_dim/2 frequencies in radians per token position. Every step is rounded to float32, as in the programs that trained these models: at
// position 100,000 the rounding of a frequency changes the angle by more than a tolerance.
inline std::vector<double> rope_frequencies(int64_t head_dim, double theta, const RopeScaling& scaling) {
  constexpr float kTwoPi = 6.28318530717958647692f;
  std::vector<double> result;
  for (int64_t i = 0; i < head_dim; i += 2) {
    float frequency = 1.0f / std::pow(static_cast<float>(theta), static_cast<float>(i) / static_cast<float>(head_dim));
    if (scaling.factor != 1) {
      const auto factor = static_cast<float>(scaling.factor), low = static_cast<float>(scaling.low_freq_factor),
                 high = static_cast<float>(scaling.high_freq_factor),
                 original = static_cast<float>(scaling.original_max_position_embeddings);
      const float wavelength = kTwoPi / frequency;
      if (wavelength > original / low) {
        frequency = frequency / factor;
      } else if (wavelength >= original / high) {
        const float smooth = (original / wavelength - low) / (high - low);
        frequency = (1 - smooth) * frequency / factor + smooth * frequency;
      }
    }
    result.push_back(frequency);
  }
  return result;
}

}  // namespace corral::llama
