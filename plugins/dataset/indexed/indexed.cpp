// Pairs of an index and its tokens as training data, read where they lie; and made of text.
#include "corral/dataset.h"
#include "options.wire.h"
#include "plugins/dataset/common/messages.h"
#include "plugins/dataset/indexed/build.h"
#include "plugins/dataset/indexed/pair_data.h"

namespace {
using corral::indexed::PairData;

class IndexedInstance final : public corral::DatasetInstance {
 public:
  explicit IndexedInstance(const corral::indexed::PairDataOptions& options) : data_(options) {}

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
  const PairData data_;
};

class Indexed final : public corral::Dataset<corral::dataset::indexed::Options> {
 public:
  std::unique_ptr<corral::DatasetInstance> open(const Options& options, const corral::DatasetRequest& request, corral::Encoder) override {
    corral::indexed::PairDataOptions given{.paths = request.paths,
                                           .paths_of_part = {options.train_paths, options.valid_paths, options.test_paths},
                                           .shuffle = request.shuffle,
                                           .whole = request.whole,
                                           .seed = request.seed,
                                           .rows = {.seq_length = static_cast<uint64_t>(request.seq_length),
                                                    .num_ids = request.num_ids,
                                                    .end_of_text = static_cast<int32_t>(request.end_of_text_id),
                                                    .reset_positions = options.reset_positions,
                                                    .keep_tail = request.whole}};
    if (!request.split.empty()) given.split = request.split;
    return std::make_unique<IndexedInstance>(given);
  }

  corral::DatasetBuildReply build(const Options&, const corral::DatasetBuildRequest& request, corral::Encoder host) override {
    const corral::indexed::Built built =
        corral::indexed::build_pair({.paths = request.paths, .prefix = request.out, .threads = request.threads},
                                    corral::data::lend(host, request.end_of_text_id, request.num_ids));
    corral::DatasetBuildReply reply;
    reply.files = {request.out + ".bin", request.out + ".idx"};
    reply.documents = built.documents;
    reply.tokens = built.tokens;
    reply.bytes = built.bytes;
    reply.path = request.out;
    return reply;
  }
};

}  // namespace

CORRAL_PLUGIN(Indexed)
