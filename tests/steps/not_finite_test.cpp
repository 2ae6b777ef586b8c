// A step whose numbers are NaN or infinite changes nothing.
#include <gtest/gtest.h>

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unordered_set>

#include "kernel/checkpoint/format_io.h"
#include "kernel/train/session_tensors.h"
#include "tests/steps/small_training.h"

namespace corral {
namespace {

// The parameter is the weight of one target. With NaN and infinity the loss is not finite. With 1e30 the loss and all gradients are finite,
// but not their norm.
class NotFinite : public testing::TestWithParam<std::tuple<const char*, double>> {
 protected:
  NotFinite() : folder_(std::filesystem::path(testing::TempDir()) / ("corral_not_finite_" + std::to_string(getpid()))) {}
  ~NotFinite() override { std::filesystem::remove_all(folder_); }

  // Saves weights and training state, and returns the bytes of each file by its name.
  std::map<std::string, std::string> files(runtime::Session& session) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
    std::unordered_set<std::string> parameters;
    const Graph& g = session.graph("train");
    for (const State& s : g.states)
      if (s.kind == StateKind::PARAMETER) parameters.insert(name_of(g, s.tensor));
    const CheckpointFormat format(load_built(built_plugin("checkpoint/hf"), CORRAL_CHECKPOINT_ID));
    train::SessionTensors weights = train::parameters_of(session, parameters), state = train::training_state_of(session);
    weights.set_file("model.safetensors");
    state.set_file("optimizer.safetensors");
    for (train::SessionTensors* tensors : {&weights, &state}) checkpoint::save_state(format, folder_, *tensors);
    std::map<std::string, std::string> bytes;
    for (const auto& file : std::filesystem::directory_iterator(folder_)) {
      std::ifstream in(file.path(), std::ios::binary);
      bytes[file.path().filename()] = {std::istreambuf_iterator<char>(in), {}};
    }
    return bytes;
  }

 private:
  std::filesystem::path folder_;
};

TEST_P(NotFinite, ASaveAtTheSeventhStepHasTheFilesOfTheSixth) {
  const auto [precision, planted] = GetParam();
  SmallTraining run(precision);
  train::Batch good = run.batch(), bad = good;
  bad.weights[0] = static_cast<float>(planted);
  for (int i = 0; i < 6; ++i) run.train({good, good});
  const auto sixth = files(run.session());
  EXPECT_TRUE(sixth.contains("model.safetensors") && sixth.contains("optimizer.safetensors"));
  const train::StepResult seventh = run.train({good, bad});
  EXPECT_FALSE(std::isfinite(seventh.loss_sum) && std::isfinite(seventh.grad_norm));
  EXPECT_EQ(std::isfinite(seventh.loss_sum), planted == 1e30);
  EXPECT_TRUE(files(run.session()) == sixth) << "a file differs";
  const train::StepResult eighth = run.train({good, good});
  EXPECT_TRUE(std::isfinite(eighth.loss_sum) && std::isfinite(eighth.grad_norm));
  EXPECT_FALSE(files(run.session()) == sixth) << "no file differs";
}

INSTANTIATE_TEST_SUITE_P(Steps, NotFinite, testing::Combine(testing::Values("fp32", "bf16"), testing::Values(NAN, INFINITY, 1e30)));

}  // namespace
}  // namespace corral
