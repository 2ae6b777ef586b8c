// Dataset of indexed pairs, read in place from mapped files; and their construction from text.
#include "corral/dataset.h"
#include "options.wire.h"
#include "plugins/dataset/common/messages.h"
#include "plugins/dataset/indexed/build.h"
#include "plugins/dataset/indexed/pair_data.h"

namespace {

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
    return std::make_unique<corral::data::PartsInstance<corral::indexed::PairData>>(given);
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
