// A model family: emits the forward graph, reads and writes its configuration in each dialect, publishes its weight maps.
#pragma once

#include "corral/plugin.h"

namespace corral {

template <class OptionsMessage>
class Model {
 public:
  using Options = OptionsMessage;
  static constexpr const char* kKindId = CORRAL_MODEL_ID;
  virtual ~Model() = default;

  // Emits the forward pass of `batch` sequences of `seq_length` tokens. Its inputs are tokens, targets, positions, first_key, last_key,
  // token_index and seed (sdk/operations.md), its output is losses [batch, seq_length].
  virtual Graph emit(const Options& options, int64_t batch, int64_t seq_length) = 0;
  virtual Recognition recognize(const DialectConfig& config) = 0;
  virtual std::string write_config(const Options& options, const ConfigRequest& request) = 0;
  virtual WeightMap weight_map(const Options& options, const WeightMapRequest& request) = 0;
  virtual ConfigReport explain_config(const DialectConfig&) { throw Unsupported("this model does not say what it reads"); }

  // Calls go through this base class, so the overrides of P may be private.
  template <class P>
  static Model& plugin() {
    return *detail::the<P>();
  }

  template <class P>
  static const void* table() {
    static const corral_model t{
        CORRAL_SIZE(corral_model),
        [](const void* r, uint64_t n, const corral_sink* s) {
          return detail::answer<ModelRequest>(
              r, n, s, [](const ModelRequest& q) { return plugin<P>().emit(Options::decode(q.options), q.batch, q.seq_length); });
        },
        [](const void* r, uint64_t n, const corral_sink* s) {
          return detail::answer<DialectConfig>(r, n, s, [](const DialectConfig& q) { return plugin<P>().recognize(q); });
        },
        [](const void* r, uint64_t n, const corral_sink* s) {
          return detail::answer<ConfigRequest>(
              r, n, s, [](const ConfigRequest& q) { return plugin<P>().write_config(Options::decode(q.options), q); });
        },
        [](const void* r, uint64_t n, const corral_sink* s) {
          return detail::answer<WeightMapRequest>(
              r, n, s, [](const WeightMapRequest& q) { return plugin<P>().weight_map(Options::decode(q.options), q); });
        },
        [](const void* r, uint64_t n, const corral_sink* s) {
          return detail::answer<DialectConfig>(r, n, s, [](const DialectConfig& q) { return plugin<P>().explain_config(q); });
        }};
    return &t;
  }
};

}  // namespace corral
