// Cuts the batch: each rank has some of its sequences.
#include "options.wire.h"
#include "plugins/parallel/common/batch.h"

namespace corral {
namespace {

class DataParallel final : public Parallel<options::data::Options> {
  Placement place(const options::data::Options&, const ParallelRequest& request) override {
    return cut_batch(request.graph, "data", 0, false);
  }
};

}  // namespace
}  // namespace corral

CORRAL_PLUGIN(corral::DataParallel)
