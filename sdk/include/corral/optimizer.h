// An optimizer: adds the update phase to the graph and gives the values of its step inputs, such as the learning rate.
#pragma once

#include "corral/plugin.h"

namespace corral {

template <class OptionsMessage>
class Optimizer {
 public:
  using Options = OptionsMessage;
  static constexpr const char* kKindId = CORRAL_OPTIMIZER_ID;
  virtual ~Optimizer() = default;
  virtual Graph transform(Graph graph, const Options& options) = 0;
  virtual StepValues step_values(const Options& options, uint64_t step, uint64_t train_iters) = 0;
  // Throws if the options contradict each other. Called before any work.
  virtual void check(const Options& options, uint64_t train_iters) = 0;

  // Calls go through this base class, so the overrides of P may be private.
  template <class P>
  static Optimizer& plugin() {
    return *detail::the<P>();
  }

  template <class P>
  static const void* table() {
    static const corral_optimizer t{CORRAL_SIZE(corral_optimizer),
                                    [](const void* r, uint64_t n, const corral_sink* s) {
                                      return detail::answer<PassRequest>(r, n, s, [](PassRequest q) {
                                        return plugin<P>().transform(std::move(q.graph), Options::decode(q.options));
                                      });
                                    },
                                    [](const void* r, uint64_t n, const corral_sink* s) {
                                      return detail::answer<StepRequest>(r, n, s, [](const StepRequest& q) {
                                        return plugin<P>().step_values(Options::decode(q.options), q.step, q.train_iters);
                                      });
                                    },
                                    [](const void* r, uint64_t n, const corral_sink* s) {
                                      return detail::answer<StepRequest>(r, n, s, [](const StepRequest& q) {
                                        plugin<P>().check(Options::decode(q.options), q.train_iters);
                                        return std::string();
                                      });
                                    }};
    return &t;
  }
};

}  // namespace corral
