// A way to spread a step over ranks: cuts before the kernel's partition, rewritten nodes behind it.
#pragma once

#include "corral/plugin.h"

namespace corral {

template <class OptionsMessage>
class Parallel {
 public:
  using Options = OptionsMessage;
  static constexpr const char* kKindId = CORRAL_PARALLEL_ID;
  virtual ~Parallel() = default;
  // Cuts of the whole step's tensors, chunks and schedule; a pure function. A plugin that states none leaves it out.
  virtual Placement place(const Options&, const ParallelRequest&) { throw Unsupported("it places nothing"); }
  // The graph of rank `request.rank` with nodes rewritten. What it does not know, it leaves as it is.
  virtual Graph lower(const Options&, const ParallelRequest&) { throw Unsupported("it lowers nothing"); }

  // Overrides of P may be private: they are called as this class.
  template <class P>
  static Parallel& plugin() {
    return *detail::the<P>();
  }

  template <class P>
  static const void* table() {
    static const corral_parallel t{CORRAL_SIZE(corral_parallel),
                                   [](const void* r, uint64_t n, const corral_sink* s) {
                                     return detail::answer<ParallelRequest>(r, n, s, [](const ParallelRequest& q) {
                                       return plugin<P>().place(Options::decode(q.options), q);
                                     });
                                   },
                                   [](const void* r, uint64_t n, const corral_sink* s) {
                                     return detail::answer<ParallelRequest>(r, n, s, [](const ParallelRequest& q) {
                                       return plugin<P>().lower(Options::decode(q.options), q);
                                     });
                                   }};
    return &t;
  }
};

}  // namespace corral
