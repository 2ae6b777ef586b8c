// Llama 3.2: recognises its configurations. Sizes and defaults are in options.proto and presets.textproto.
#include "options.wire.h"
#include "plugins/model/common/llama_plugin.h"

namespace {
class Llama32 final : public corral::llama::LlamaPlugin<corral::options::llama32::Options> {
  std::pair<uint32_t, std::string> claim(const corral::llama::LlamaConfig& config) const override {
    if (config.rope_type == "llama3" && config.rope_factor == 32) return {90, "RoPE scaled by 32"};
    if (config.tie_word_embeddings) return {90, "tied embeddings"};
    return {10, "neither tied embeddings nor RoPE scaled by 32"};
  }
};
}  // namespace

CORRAL_PLUGIN(Llama32)
