// Between the ABI's messages and what the readers take and give.
#pragma once
#include "corral/dataset.h"
#include "plugins/dataset/common/corpus.h"
#include "plugins/dataset/common/text_data.h"

namespace corral::data {

// The host's tokenizer, which may be none, with what the request says of it.
inline Encoder lend(const corral::Encoder& host, int64_t end_of_text, uint32_t num_ids) {
  Encoder encoder{.encode = {}, .end_of_text = static_cast<int32_t>(end_of_text), .num_ids = num_ids};
  if (host)
    encoder.encode = [host](std::string_view text, std::vector<int32_t>& ids) {
      ids.clear();
      host.encode(text, ids);
    };
  return encoder;
}

inline DatasetPart as_message(const PartInfo& from) {
  DatasetPart part;
  part.name = from.name;
  part.rows = from.rows;
  part.tokens = from.tokens;
  part.targets = from.targets;
  part.bytes = from.bytes;
  part.unigram_entropy = from.unigram_entropy;
  part.documents = from.documents;
  return part;
}

}  // namespace corral::data
