// The tokens of a sample, and which of them are trained.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "plugins/dataset/common/corpus.h"
#include "plugins/dataset/sft/chat.h"
#include "plugins/dataset/sft/row.h"

namespace corral::sft {

// The reason why a sample trains no token of an answer, or not its end.
enum class Fault : uint8_t { kNone, kNoAnswer, kEmptyAnswer, kCutBeforeAnswer, kCutBeforeEnd, kAllMasked };

struct Sample {
  std::vector<int32_t> ids;
  std::vector<uint8_t> trained;  // 0 or 1 per id; the first id is never a target
  bool truncated = false;
  bool trains_answer = false;  // at least one token of an answer, not only its end
  bool trains_end = false;
  Fault fault = Fault::kNone;
};

class SampleMaker {
 public:
  // Samples are cut to `longest` ids. With `train_all` the loss counts every token.
  SampleMaker(const data::Encoder& encoder, size_t longest, bool train_all) : encoder_(encoder), longest_(longest), train_all_(train_all) {}

  // If it is too long, a chat loses its end; a plain question and answer lose the end of the question.
  Sample from(const std::vector<Piece>& pieces, bool is_chat) const;
  // Throws Error naming `place` if there are too many ids.
  Sample from(IdRow row, const Place& place) const;

 private:
  const data::Encoder& encoder_;
  size_t longest_;
  bool train_all_;
};

}  // namespace corral::sft
