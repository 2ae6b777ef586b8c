// Text and rows of ids as training data: the reading, splitting and shuffling is plugins/dataset/common.
#include "corral/dataset.h"
#include "options.wire.h"
#include "plugins/dataset/common/messages.h"
#include "plugins/dataset/common/text_data.h"

namespace {

class TextInstance final : public corral::DatasetInstance {
 public:
  TextInstance(const corral::data::TextDataOptions& options, const corral::data::Encoder& encoder) : data_(options, encoder) {}

  corral::DatasetInfo info() override {
    corral::DatasetInfo info;
    for (const corral::data::PartInfo& part : data_.parts()) info.parts.push_back(corral::data::as_message(part));
    info.notices = data_.notices();
    return info;
  }

  void fetch(uint64_t part, uint64_t first_row, uint64_t rows, const corral_batch& batch) override {
    if (part >= data_.parts().size()) corral::fail_bug("part {} of a dataset with {} parts", part, data_.parts().size());
    data_.fetch(part, first_row, rows, {batch.tokens, batch.targets, batch.positions, batch.first_key});
  }

 private:
  const corral::data::TextData data_;
};

class Text final : public corral::Dataset<corral::dataset::text::Options> {
 public:
  std::unique_ptr<corral::DatasetInstance> open(const Options& options, const corral::DatasetRequest& request,
                                                corral::Encoder host) override {
    if (request.seq_length < 1) corral::fail("train.seq_length = {}: expected at least 1", request.seq_length);
    corral::data::TextDataOptions given{.paths = request.paths,
                                        .shuffle = request.shuffle,
                                        .reset_positions = options.reset_positions,
                                        .whole = request.whole,
                                        .seed = request.seed,
                                        .seq_length = static_cast<uint64_t>(request.seq_length),
                                        .threads = request.threads};
    if (!request.split.empty()) given.split = request.split;
    return std::make_unique<TextInstance>(given, corral::data::lend(host, request.end_of_text_id, request.num_ids));
  }
};

}  // namespace

CORRAL_PLUGIN(Text)
