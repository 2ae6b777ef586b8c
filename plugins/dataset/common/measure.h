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
  double unigram_entropy = 0;  // nats a target, of a model that knows only how frequent each is here
};
Targets measure_targets(const Rows& rows, uint64_t seq_length);

// How many bytes of `text` the first (last) `tokens` of its ids stand for. The encoder does not say what an id stands for, so ids are
// matched with the shortest piece of text that encodes to them; where no piece does, the share is estimated. Only as much text is encoded
// as that many tokens can span.
uint64_t bytes_of_prefix(std::string_view text, uint64_t tokens, const Encoder& encoder);
uint64_t bytes_of_suffix(std::string_view text, uint64_t tokens, const Encoder& encoder);

}  // namespace corral::data
