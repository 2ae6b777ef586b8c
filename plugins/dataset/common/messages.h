// Converts between the ABI's messages and the readers' types.
#pragma once
#include "corral/dataset.h"
#include "plugins/dataset/common/corpus.h"
#include "plugins/dataset/common/text_data.h"

namespace corral::data {

// Wraps the host's tokenizer, which may be absent, with the settings of the request.
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

// A dataset plugin's instance on top of `Data`, which provides parts(), notices(), sees_all_before() and fetch().
template <class Data>
class PartsInstance final : public DatasetInstance {
 public:
  template <class... Options>
  explicit PartsInstance(const Options&... options) : data_(options...) {}

  DatasetInfo info() override {
    DatasetInfo info;
    for (const PartInfo& part : data_.parts()) info.parts.push_back(as_message(part));
    info.notices = data_.notices();
    info.texts = data_.sees_all_before() ? 1 : 0;
    return info;
  }

  void fetch(uint64_t part, uint64_t first_row, uint64_t rows, const corral_batch& batch) override {
    if (part >= data_.parts().size()) fail_bug("part {} of a dataset with {} parts", part, data_.parts().size());
    data_.fetch(part, first_row, rows, {batch.tokens, batch.targets, batch.positions, batch.first_key});
  }

 private:
  const Data data_;
};

}  // namespace corral::data
