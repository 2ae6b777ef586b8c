// W x becomes m / |W + (alpha/dim) B A| (W x + (alpha/dim) B A x) with a magnitude m for each row, which starts at |W|. arXiv:2402.09353
#include "options.wire.h"
#include "plugins/peft/common/low_rank_plugin.h"

namespace {
class Dora final : public corral::lowrank::LowRankPlugin<corral::options::dora::Options, true> {};
}  // namespace

CORRAL_PLUGIN(Dora)
