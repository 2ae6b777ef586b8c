// Cuts the sequences: each rank has two pieces of every one, an early and a late one, so that all have as much attention to compute.
#include "options.wire.h"
#include "plugins/parallel/common/batch.h"

namespace corral {
namespace {

class ContextParallel final : public Parallel<options::context::Options> {
  Placement place(const options::context::Options&, const ParallelRequest& request) override {
    return cut_batch(request.graph, "context", 1, true);
  }
};

}  // namespace
}  // namespace corral

CORRAL_PLUGIN(corral::ContextParallel)
