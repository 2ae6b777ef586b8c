// A method that trains few weights instead of all (peft): a pass over the model's forward graph, and how what it adds is stored and merged.
#pragma once

#include "corral/plugin.h"

namespace corral {

template <class OptionsMessage>
class Peft {
 public:
  using Options = OptionsMessage;
  static constexpr const char* kKindId = CORRAL_PEFT_ID;
  virtual ~Peft() = default;

  // Every `graph` is the model's forward pass without anything added. `deterministic`: nothing is to be dropped at random.
  virtual Graph transform(Graph graph, const Options& options, bool deterministic) = 0;
  // Nodes over the states of transform that set what follows from the model's weights; run once, when a run begins.
  virtual Graph initialize(Graph graph, const Options& options) = 0;
  // Outputs are merged parameters under their names, of states of the model and of transform.
  virtual Graph merge(Graph graph, const Options& options) = 0;
  virtual WeightMap weight_map(const PeftRequest& request, const Options& options) = 0;
  virtual Recognition recognize(const DialectConfig& config) = 0;
  virtual std::string write_config(const PeftRequest& request, const Options& options) = 0;

  // Overrides of P may be private: they are called as this class.
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
