// What llama3, llama31 and llama32 share: they differ in their options' defaults, their sizes, and in which configurations they take as
// theirs.
#pragma once

#include "corral/model.h"
#include "plugins/model/common/config_json.h"
#include "plugins/model/common/llama_graph.h"
#include "plugins/model/common/rope_frequencies.h"
#include "plugins/model/common/weight_maps.h"

namespace corral::llama {

template <class OptionsMessage>
class LlamaPlugin : public Model<OptionsMessage> {
 public:
  using Options = OptionsMessage;

  // How sure this plugin is of a configuration that it can run: 0 to 100, with the reason.
  virtual std::pair<uint32_t, std::string> claim(const LlamaConfig& config) const = 0;

  Graph emit(const Options& options, int64_t batch, int64_t seq_length) override { return llama::emit(shape(options), batch, seq_length); }

  WeightMap weight_map(const Options& options, const std::string& dialect) override { return llama::weight_map(shape(options), dialect); }

 private:
  static LlamaShape shape(const Options& o) {
    const int64_t head_dim = o.head_dim > 0 ? o.head_dim : o.num_attention_heads > 0 ? o.hidden_size / o.num_attention_heads : 0;
    LlamaShape m{o.num_hidden_layers, o.hidden_size,         o.intermediate_size, o.num_attention_heads, o.num_key_value_heads, head_dim,
                 o.vocab_size,        o.tie_word_embeddings, o.rms_norm_eps,      o.initializer_range,   o.hidden_dropout,      {}};
    check(m);
    m.rope_frequencies = rope_frequencies(head_dim, o.rope_theta, scaling(o));
    return m;
  }

  static RopeScaling scaling(const Options& o) {
    const auto& r = o.rope_scaling;
    if (r.rope_type == "none" || r.rope_type == "default") return {};
    if (r.rope_type != "llama3")
      fail("model.rope_scaling.rope_type = \"{}\": no such scaling{}", r.rope_type, did_you_mean(r.rope_type, {"none", "llama3"}));
    if (!(r.factor >= 1)) fail("model.rope_scaling.factor = {}: expected 1 or more", r.factor);
    if (!(r.low_freq_factor > 0) || !(r.high_freq_factor > r.low_freq_factor))
      fail("model.rope_scaling.high_freq_factor = {}: expected more than low_freq_factor = {}, and that more than 0", r.high_freq_factor,
           r.low_freq_factor);
    return {r.factor, r.low_freq_factor, r.high_freq_factor, static_cast<double>(r.original_max_position_embeddings)};
  }
};

}  // namespace corral::llama
