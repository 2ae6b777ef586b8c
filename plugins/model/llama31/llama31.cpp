// Llama 3.1: recognises its configurations. Sizes and defaults are in options.proto and presets.textproto.
#include "options.wire.h"
#include "plugins/model/common/llama_plugin.h"

namespace {
class Llama31 final : public corral::llama::LlamaPlugin<corral::options::llama31::Options> {
  std::pair<uint32_t, std::string> claim(const corral::llama::LlamaConfig& config) const override {
    if (config.rope_type == "llama3" && config.rope_factor == 8) return {100, "RoPE scaled by 8"};
    return {50, "the family's most general member"};
  }
};
}  // namespace

CORRAL_PLUGIN(Llama31)
