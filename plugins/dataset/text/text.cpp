// Dataset of text and of given token ids; plugins/dataset/common reads, splits and shuffles.
#include "corral/dataset.h"
#include "options.wire.h"
#include "plugins/dataset/common/messages.h"
#include "plugins/dataset/common/text_data.h"

namespace {

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
    return std::make_unique<corral::data::PartsInstance<corral::data::TextData>>(
        given, corral::data::lend(host, request.end_of_text_id, request.num_ids));
  }
};

}  // namespace

CORRAL_PLUGIN(Text)
