// The order in which the training loop queues steps and reads their numbers.
#include "kernel/train/loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "tests/steps/small_training.h"

namespace corral {
namespace {

class Loop : public testing::Test {
 protected:
  Loop() : metrics_path_(std::filesystem::path(testing::TempDir()) / ("corral_loop_" + std::to_string(getpid()))) {}
  ~Loop() override { std::filesystem::remove(metrics_path_); }

  // Trains on batches whose weights differ from step to step.
  train::Ending run(train::LoopSettings settings, train::LoopHooks hooks) {
    settings.global_batch_size = training_.step().rows();
    settings.log_interval = 1;
    hooks.say = hooks.live = [](std::string_view) {};
    const OptimizerHandle optimizer(load_built(built_plugin("optimizer/adamw"), CORRAL_OPTIMIZER_ID));
    train::MetricsFile metrics(metrics_path_.string(), 0);
    const train::Batch like = training_.batch();
    const auto fetch = [&](uint64_t first_row, train::Batch& batch) {
      batch = like;
      for (float& w : batch.weights) w *= static_cast<float>(first_row + 1);
      if (nan_from_step_ && first_row / static_cast<uint64_t>(batch.rows) + 1 >= nan_from_step_) batch.weights[0] = NAN;
    };
    return train::Loop(training_.step(), training_.step(), fetch, {}, train::StepValueTable({optimizer, ""}, settings.train_iters), metrics,
                       settings, std::move(hooks))
        .run();
  }
  double on_device(const char* sum) {
    double value = 0;
    training_.session().read(training_.session().state(sum), &value, sizeof value);
    return value;
  }

  SmallTraining training_{"fp32"};
  uint64_t nan_from_step_ = 0;
  std::filesystem::path metrics_path_;
};

TEST_F(Loop, ReadsAStepWhileTheNextOneIsQueuedAndBeforeItsUpdate) {
  std::vector<double> read, device;
  std::vector<std::map<std::string, std::vector<char>>> saved;
  train::LoopHooks hooks;
  hooks.track = [&](uint64_t, const train::StepResult& result, double, double) {
    read.push_back(result.weight_sum);
    device.push_back(on_device("weight_sum"));
    saved.push_back(training_.saved());
  };
  hooks.save = [&](uint64_t) { saved.push_back(training_.saved()); };
  train::LoopSettings settings;
  settings.train_iters = 4;
  EXPECT_EQ(run(settings, std::move(hooks)), train::Ending::kDone);
  ASSERT_EQ(read.size(), 4u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(device[i], read[i + 1]) << "step " << i + 1;
  EXPECT_EQ(device[3], read[3]);
  EXPECT_LT(read[0], read[1]);
  // All saved states differ: each step is read between its update and the next one's.
  ASSERT_EQ(saved.size(), 5u);
  for (size_t i = 0; i < 3; ++i) EXPECT_NE(saved[i], saved[i + 1]) << "step " << i + 1;
  EXPECT_EQ(saved[3], saved[4]);
}

TEST_F(Loop, QueuesNothingOfTheNextStepBeforeASaveAndReportsFirst) {
  std::vector<std::string> events;
  train::LoopHooks hooks;
  hooks.track = [&](uint64_t finished, const train::StepResult& result, double, double) {
    const bool drained = result.weight_sum == on_device("weight_sum");
    events.push_back((drained ? "report " : "late report ") + std::to_string(finished));
  };
  hooks.save = [&](uint64_t finished) { events.push_back("save " + std::to_string(finished)); };
  hooks.sample = [&](uint64_t finished) { events.push_back("sample " + std::to_string(finished)); };
  train::LoopSettings settings;
  settings.train_iters = 5;
  settings.save_interval = 2;
  settings.sample_interval = 4;
  run(settings, std::move(hooks));
  EXPECT_EQ(events, (std::vector<std::string>{"late report 1", "report 2", "save 2", "late report 3", "report 4", "sample 4", "save 4",
                                              "report 5", "save 5"}));
}

TEST_F(Loop, EndsAtAStepThatIsNotFiniteWithNothingOfItInTheStates) {
  std::map<std::string, std::vector<char>> sixth;
  train::LoopHooks hooks;
  hooks.track = [&](uint64_t finished, const train::StepResult&, double, double) {
    if (finished == 6) sixth = training_.saved();
  };
  hooks.save = [](uint64_t) { FAIL() << "saved"; };
  train::LoopSettings settings;
  settings.train_iters = 9;
  nan_from_step_ = 7;
  try {
    run(settings, std::move(hooks));
    FAIL() << "went on";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("step 7: the loss is nan: training has diverged"), std::string::npos) << e.what();
  }
  EXPECT_EQ(training_.saved(), sixth);
}

}  // namespace
}  // namespace corral
