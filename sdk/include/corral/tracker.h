// A tracker: receives a run's metrics.
#pragma once

#include "corral/plugin.h"

namespace corral {

class TrackerInstance {
 public:
  virtual ~TrackerInstance() = default;
  virtual void log(const Metrics& metrics) = 0;
};

template <class OptionsMessage>
class Tracker {
 public:
  using Options = OptionsMessage;
  static constexpr const char* kKindId = CORRAL_TRACKER_ID;
  virtual ~Tracker() = default;
  virtual std::unique_ptr<TrackerInstance> open(const Options& options, const TrackerOpen& request) = 0;

  // Calls go through this base class, so the overrides of P may be private.
  template <class P>
  static Tracker& plugin() {
    return *detail::the<P>();
  }

  template <class P>
  static const void* table() {
    static const corral_tracker t{
        CORRAL_SIZE(corral_tracker),
        [](const void* r, uint64_t n, corral_tracker_instance** instance) {
          return detail::guarded([&] {
            const TrackerOpen q = TrackerOpen::decode(r, n);
            *instance = reinterpret_cast<corral_tracker_instance*>(plugin<P>().open(Options::decode(q.options), q).release());
          });
        },
        [](corral_tracker_instance* instance, const void* m, uint64_t n) {
          return detail::guarded([&] { reinterpret_cast<TrackerInstance*>(instance)->log(Metrics::decode(m, n)); });
        },
        [](corral_tracker_instance* instance) { return detail::guarded([&] { delete reinterpret_cast<TrackerInstance*>(instance); }); }};
    return &t;
  }
};

}  // namespace corral
