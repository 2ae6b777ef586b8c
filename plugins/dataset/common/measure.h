#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "plugins/dataset/common/corpus.h"
#include "plugins/dataset/common/rows.h"

namespace corral::data {

struct Targets {
  uint64_t count = 0;
  double unigram_entropy = 0;  // nats per target: the loss of a model that knows only the targets' frequencies
};
Targets measure_targets(const Rows& rows, uint64_t seq_length);

// The bytes of `text` that its first (last) `tokens` ids represent. The encoder only encodes, so ids are matched with the shortest piece of
// text that encodes to them; if no piece does, the bytes are estimated. No more text is encoded than that many tokens can span.
uint64_t bytes_of_prefix(std::string_view text, uint64_t tokens, const Encoder& encoder);
uint64_t bytes_of_suffix(std::string_view text, uint64_t tokens, const Encoder& encoder);

}  // namespace corral::data
