// A way to spread a step over ranks: states cuts before the kernel's partition and rewrites nodes after it.
#pragma once

#include "corral/plugin.h"

namespace corral {

template <class OptionsMessage>
class Parallel {
 public:
  using Options = OptionsMessage;
  static constexpr const char* kKindId = CORRAL_PARALLEL_ID;
  virtual ~Parallel() = default;
  // States cuts of the whole step's tensors, chunks and the schedule; a pure function. A plugin that states none does not override it.
  virtual Placement place(const Options&, const ParallelRequest&) { throw Unsupported("it places nothing"); }
  // Returns the graph of rank `request.rank` with nodes rewritten. Unknown fields, nodes and attributes stay untouched.
  virtual Graph lower(const Options&, const ParallelRequest&) { throw Unsupported("it lowers nothing"); }

  // Calls go through this base class, so the overrides of P may be private.
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
