// The common base of llama3, llama31 and llama32. They differ in the defaults of their options, their sizes, and the configurations that
// they recognise.
#pragma once

#include <tuple>

#include "corral/model.h"
#include "plugins/model/common/configurations.h"
#include "plugins/model/common/llama_graph.h"
#include "plugins/model/common/rope_frequencies.h"
#include "plugins/model/common/weight_maps.h"

namespace corral::llama {

template <class OptionsMessage>
class LlamaPlugin : public Model<OptionsMessage> {
 public:
  using Options = OptionsMessage;

  // The plugin's confidence, 0 to 100, that the configuration is of its family, and the reason.
  virtual std::pair<uint32_t, std::string> claim(const LlamaConfig& config) const = 0;

  Graph emit(const Options& options, int64_t batch, int64_t seq_length) override { return llama::emit(shape(options), batch, seq_length); }

  WeightMap weight_map(const Options& options, const WeightMapRequest& request) override {
    return llama::weight_map(shape(options), request);
  }

  Recognition recognize(const DialectConfig& file) override {
    const LlamaConfig config = configuration(file.dialect).read(file.content);
    Recognition r;
    std::tie(r.confidence, r.reason) = claim(config);
    r.options = options(config).encode();
    return r;
  }

  ConfigReport explain_config(const DialectConfig& file) override { return configuration(file.dialect).explain(file.content); }

  std::string write_config(const Options& o, const ConfigRequest& request) override {
    const Configuration& dialect = configuration(request.dialect);
    LlamaConfig c = config(o);
    c.dtype = request.dtype;
    c.bos_token_ids = request.bos_token_ids;
    c.eos_token_ids = request.eos_token_ids;
    return unchanged(c, request.original, dialect) ? request.original : dialect.write(c);
  }

 private:
  // True if the original file describes the same model; ids and a type that only the file states are ignored.
  static bool unchanged(LlamaConfig c, const std::string& original, const Configuration& dialect) {
    if (original.empty()) return false;
    const LlamaConfig before = dialect.read(original);
    if (c.bos_token_ids.empty()) c.bos_token_ids = before.bos_token_ids;
    if (c.eos_token_ids.empty()) c.eos_token_ids = before.eos_token_ids;
    if (c.dtype.empty() || before.dtype.empty()) c.dtype = before.dtype;
    return c == before;
  }

  static Options options(const LlamaConfig& c) {
    Options o;
    o.num_hidden_layers = c.num_hidden_layers;
    o.hidden_size = c.hidden_size;
    o.intermediate_size = c.intermediate_size;
    o.num_attention_heads = c.num_attention_heads;
    o.num_key_value_heads = c.num_key_value_heads;
    o.head_dim = c.head_dim;
    o.vocab_size = c.vocab_size;
    o.rope_theta = c.rope_theta;
    o.rope_scaling.rope_type = c.rope_type;
    o.rope_scaling.factor = c.rope_factor;
    o.rope_scaling.low_freq_factor = c.low_freq_factor;
    o.rope_scaling.high_freq_factor = c.high_freq_factor;
    o.rope_scaling.original_max_position_embeddings = c.original_max_position_embeddings;
    o.max_position_embeddings = c.max_position_embeddings;
    o.tie_word_embeddings = c.tie_word_embeddings;
    o.rms_norm_eps = c.rms_norm_eps;
    o.initializer_range = c.initializer_range;
    return o;
  }

  static LlamaConfig config(const Options& o) {
    const LlamaShape m = shape(o);
    LlamaConfig c;
    c.num_hidden_layers = m.num_hidden_layers;
    c.hidden_size = m.hidden_size;
    c.intermediate_size = m.intermediate_size;
    c.num_attention_heads = m.num_attention_heads;
    c.num_key_value_heads = m.num_key_value_heads;
    c.head_dim = m.head_dim;
    c.vocab_size = m.vocab_size;
    c.rope_theta = o.rope_theta;
    if (const RopeScaling r = scaling(o); r.factor != 1 || o.rope_scaling.rope_type == "llama3") {
      c.rope_type = "llama3";
      c.rope_factor = r.factor;
      c.low_freq_factor = r.low_freq_factor;
      c.high_freq_factor = r.high_freq_factor;
      c.original_max_position_embeddings = o.rope_scaling.original_max_position_embeddings;
    }
    c.max_position_embeddings = o.max_position_embeddings;
    c.tie_word_embeddings = o.tie_word_embeddings;
    c.rms_norm_eps = o.rms_norm_eps;
    c.initializer_range = o.initializer_range;
    return c;
  }

  static LlamaShape shape(const Options& o) {
    const int64_t head_dim = o.head_dim > 0 ? o.head_dim : o.num_attention_heads > 0 ? o.hidden_size / o.num_attention_heads : 0;
    LlamaShape m{o.num_hidden_layers, o.hidden_size,         o.intermediate_size, o.num_attention_heads, o.num_key_value_heads, head_dim,
                 o.vocab_size,        o.tie_word_embeddings, o.rms_norm_eps,      o.initializer_range,   o.hidden_dropout,      {}};
    check(m);
    if (!(o.rope_theta > 0 && o.rope_theta < HUGE_VAL)) fail("model.rope_theta = {}: expected more than 0", o.rope_theta);
    if (o.max_position_embeddings < 1) fail("model.max_position_embeddings = {}: expected 1 or more", o.max_position_embeddings);
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
      fail("model.rope_scaling.high_freq_factor = {}: expected more than low_freq_factor = {}, which must be more than 0",
           r.high_freq_factor, r.low_freq_factor);
    if (r.original_max_position_embeddings < 1)
      fail("model.rope_scaling.original_max_position_embeddings = {}: expected 1 or more", r.original_max_position_embeddings);
    return {r.factor, r.low_freq_factor, r.high_freq_factor, static_cast<double>(r.original_max_position_embeddings)};
  }
};

}  // namespace corral::llama
