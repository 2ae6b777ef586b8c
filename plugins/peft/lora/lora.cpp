// W x becomes W x + (alpha/dim) B A x; B starts at zero, so that step 0 equals the base model. arXiv:2106.09685
#include "options.wire.h"
#include "plugins/peft/common/low_rank_plugin.h"

namespace {
class Lora final : public corral::lowrank::LowRankPlugin<corral::options::lora::Options, false> {};
}  // namespace

CORRAL_PLUGIN(Lora)
