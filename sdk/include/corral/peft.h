// A method that trains few weights instead of all (peft): adds parameters to the model's forward graph, and says how they are stored and
// merged.
#pragma once

#include "corral/plugin.h"

namespace corral {

template <class OptionsMessage>
class Peft {
 public:
  using Options = OptionsMessage;
  static constexpr const char* kKindId = CORRAL_PEFT_ID;
  virtual ~Peft() = default;

  // Adds the method to `graph`, here and below the model's own forward pass. If `deterministic`, nothing may be dropped at random.
  virtual Graph transform(Graph graph, const Options& options, bool deterministic) = 0;
  // Returns nodes that compute initial values from the model's weights, over the states of transform. They run once, when a run begins.
  virtual Graph initialize(Graph graph, const Options& options) = 0;
  // Returns a graph over the states of the model and of transform whose outputs are the merged parameters, under their names.
  virtual Graph merge(Graph graph, const Options& options) = 0;
  virtual WeightMap weight_map(const PeftRequest& request, const Options& options) = 0;
  virtual Recognition recognize(const DialectConfig& config) = 0;
  virtual std::string write_config(const PeftRequest& request, const Options& options) = 0;

  // Calls go through this base class, so the overrides of P may be private.
  template <class P>
  static Peft& plugin() {
    return *detail::the<P>();
  }

  template <class P>
  static const void* table() {
    static const corral_peft t{
        CORRAL_SIZE(corral_peft),
        [](const void* r, uint64_t n, const corral_sink* s) {
          return detail::answer<PassRequest>(r, n, s, [](PassRequest q) {
            return plugin<P>().transform(std::move(q.graph), Options::decode(q.options), q.deterministic);
          });
        },
        [](const void* r, uint64_t n, const corral_sink* s) {
          return detail::answer<PassRequest>(
              r, n, s, [](PassRequest q) { return plugin<P>().initialize(std::move(q.graph), Options::decode(q.options)); });
        },
        [](const void* r, uint64_t n, const corral_sink* s) {
          return detail::answer<PeftRequest>(
              r, n, s, [](PeftRequest q) { return plugin<P>().merge(std::move(q.graph), Options::decode(q.options)); });
        },
        [](const void* r, uint64_t n, const corral_sink* s) {
          return detail::answer<PeftRequest>(r, n, s,
                                             [](const PeftRequest& q) { return plugin<P>().weight_map(q, Options::decode(q.options)); });
        },
        [](const void* r, uint64_t n, const corral_sink* s) {
          return detail::answer<DialectConfig>(r, n, s, [](const DialectConfig& q) { return plugin<P>().recognize(q); });
        },
        [](const void* r, uint64_t n, const corral_sink* s) {
          return detail::answer<PeftRequest>(r, n, s,
                                             [](const PeftRequest& q) { return plugin<P>().write_config(q, Options::decode(q.options)); });
        }};
    return &t;
  }
};

}  // namespace corral
