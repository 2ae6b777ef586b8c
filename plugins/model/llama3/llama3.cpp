// Llama 3: recognises its configurations. Sizes and defaults are in options.proto and presets.textproto.
#include "options.wire.h"
#include "plugins/model/common/llama_plugin.h"

namespace {
class Llama3 final : public corral::llama::LlamaPlugin<corral::options::llama3::Options> {
  std::pair<uint32_t, std::string> claim(const corral::llama::LlamaConfig& config) const override {
    if (config.rope_type == "none") return {100, "no RoPE scaling"};
    return {10, "RoPE scaling, which Llama 3 does not have"};
  }
};
}  // namespace

CORRAL_PLUGIN(Llama3)
