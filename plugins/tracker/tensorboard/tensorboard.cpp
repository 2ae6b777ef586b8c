// Writes event files for TensorBoard: `tensorboard --logdir RUN/tensorboard`.
#include <filesystem>

#include "corral/tracker.h"
#include "options.wire.h"
#include "plugins/tracker/tensorboard/event_file.h"

namespace {
using corral::tensorboard::EventFile;
using corral::tensorboard::Scalar;

class TensorboardInstance final : public corral::TrackerInstance {
 public:
  TensorboardInstance(const std::string& folder, const corral::TrackerOpen& request, double now) : file_(folder, now) {
    if (!request.config.empty()) file_.text(now, 0, "config", "```\n" + request.config + "\n```");
  }

  void log(const corral::Metrics& metrics) override {
    scalars_.clear();
    for (const corral::StepValue& value : metrics.values) scalars_.push_back({value.name, value.value});
    file_.scalars(metrics.wall_time, static_cast<int64_t>(metrics.step), scalars_);
  }

 private:
  EventFile file_;
  std::vector<Scalar> scalars_;
};

class Tensorboard final : public corral::Tracker<corral::tracker::tensorboard::Options> {
 public:
  std::unique_ptr<corral::TrackerInstance> open(const Options& options, const corral::TrackerOpen& request) override {
    const std::string folder = options.dir.empty() ? request.run_dir + "/tensorboard" : options.dir;
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) corral::fail_environment("tracker tensorboard: cannot create {}: {}", folder, error.message());
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return std::make_unique<TensorboardInstance>(folder, request,
                                                 static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec));
  }
};

}  // namespace

CORRAL_PLUGIN(Tensorboard)
