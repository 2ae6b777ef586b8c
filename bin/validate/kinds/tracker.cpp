#include "kernel/plugin/tracker.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "bin/validate/check.h"
#include "corral/error.h"

namespace corral::validate {
namespace {

void exercise(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  TrackerOpen open;
  open.options = s.options();
  open.run_dir = s.scratch + "/run-XXXXXX";  // a run is tracked only once
  if (!mkdtemp(open.run_dir.data())) fail_environment("{} cannot be made", open.run_dir);
  open.run_name = "validate";
  open.config = "train { seed: 1 }";
  TrackerHandle tracker = TrackerHandle::open(plugin, open);
  for (uint64_t step = 1; step <= 3; ++step) {
    Metrics metrics;
    metrics.step = step;
    metrics.wall_time = 1e9;
    for (const auto& [name, number] : {std::pair{"loss", 2.5}, std::pair{"grad_norm", std::nan("")}, std::pair{"größe/x y", HUGE_VAL}}) {
      StepValue value;
      value.name = name;
      value.value = number;
      metrics.values.push_back(value);
    }
    tracker.log(metrics);
  }
  tracker.close();
}

Outcome writes(const Subject& s) {
  Loaded loaded(s.info);
  exercise(s, loaded.init());
  loaded.shutdown();
  const bool none = std::all_of(begin(std::filesystem::recursive_directory_iterator(s.scratch)),
                                std::filesystem::recursive_directory_iterator(), [](const auto& entry) { return entry.is_directory(); });
  if (none) return skip("it leaves no file in the run's folder, and other destinations are not known here");
  return pass();
}

constexpr Check kChecks[] = {{"tracker.log", "it accepts numbers, NaN and infinite ones too, and leaves a trace", writes}};

}  // namespace

extern const Kind kind_tracker;
const Kind kind_tracker{"tracker", CORRAL_TRACKER_ID, CORRAL_SIZE(corral_tracker), exercise, kChecks};

}  // namespace corral::validate
