// Everything in float32: the graph stays as the model emits it.
#include "corral/precision.h"
#include "options.wire.h"

namespace {
class Fp32 final : public corral::Precision<corral::options::fp32::Options> {
  corral::Graph transform(corral::Graph graph, const Options&) override { return graph; }
};
}  // namespace

CORRAL_PLUGIN(Fp32)
