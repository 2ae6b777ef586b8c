// A precision: sets the formats of the differentiated graph and adds casts and quantizations.
#pragma once

#include "corral/plugin.h"

namespace corral {

template <class OptionsMessage>
class Precision {
 public:
  using Options = OptionsMessage;
  static constexpr const char* kKindId = CORRAL_PRECISION_ID;
  virtual ~Precision() = default;
  virtual Graph transform(Graph graph, const Options& options) = 0;

  // Calls go through this base class, so the overrides of P may be private.
  template <class P>
  static Precision& plugin() {
    return *detail::the<P>();
  }

  template <class P>
  static const void* table() {
    static const corral_precision t{CORRAL_SIZE(corral_precision), [](const void* r, uint64_t n, const corral_sink* s) {
                                      return detail::answer<PassRequest>(r, n, s, [](PassRequest q) {
                                        return plugin<P>().transform(std::move(q.graph), Options::decode(q.options));
                                      });
                                    }};
    return &t;
  }
};

}  // namespace corral
