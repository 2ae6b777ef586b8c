// The loss is the mean over all targets of the global batch, however its sequences are cut into micro-batches.
#include "tests/golden_runs/golden_runs.h"

namespace corral {
namespace {

constexpr const char* kCuts[] = {"1", "4", "16"};

class LossDefinition : public GoldenRuns {
 protected:
  LossDefinition() : golden_(read_tensor_file(kGolden + "expected/llama3/train_fp32.safetensors")) {}
  void SetUp() override {
    GoldenRuns::SetUp();
    data(golden_);
  }
  std::map<std::string, FileTensor> golden_;
};

TEST_F(LossDefinition, WeighsEveryTargetTheSameAlsoInSequencesWithFewerTargets) {
  ASSERT_EQ(corral("eval --checkpoint " + kGolden + "models/llama3 --data " + path("data.jsonl") + " --seq-length 33 --json --logits " +
                   path("logits")),
            0)
      << text("err");
  const auto file = read_tensor_file(path("logits"));
  const std::vector<double>&sums = file.at("loss").values, &targets = file.at("targets").values;
  ASSERT_EQ(sums.size(), 16u);
  double sum = 0, count = 0, mean_of_means = 0;
  for (size_t i = 0; i < sums.size(); ++i) {
    sum += sums[i];
    count += targets[i];
    mean_of_means += sums[i] / targets[i] / static_cast<double>(sums.size());
  }
  EXPECT_NE(*std::min_element(targets.begin(), targets.end()), *std::max_element(targets.begin(), targets.end()));
  const double loss = json::parse(text("out"))["loss"];
  EXPECT_NEAR(loss, sum / count, 1e-6 * loss);
  EXPECT_GT(std::abs(loss - mean_of_means), 1e-4 * loss);
}

TEST_F(LossDefinition, LossAndGradientsAreThoseOf1x16And4x4And16x1) {
  const std::string words = "eval --checkpoint " + kGolden + "models/llama3 --data " + path("data.jsonl") +
                            " --seq-length 33 --global-batch-size 16 --json --gradients " + path("gradients") + " --micro-batch-size ";
  double loss = 0;
  std::map<std::string, FileTensor> first;
  for (const char* cut : kCuts) {
    ASSERT_EQ(corral(words + cut), 0) << text("err");
    const double ours = json::parse(text("out"))["loss"];
    const auto gradients = read_tensor_file(path("gradients"));
    if (first.empty()) {
      loss = ours;
      first = gradients;
    }
    EXPECT_NEAR(ours, loss, 1e-6 * loss) << cut;
    for (const auto& [name, tensor] : first)
      EXPECT_LE(difference(gradients.at(name).values, tensor.values), 1e-5 * largest(tensor.values)) << name;
  }
}

TEST_F(LossDefinition, TrainingTakesTheSameStepsAt1x16And4x4And16x1) {
  std::vector<json> first;
  for (const std::string cut : kCuts) {
    std::string words = training("llama3", "fp32", "run" + cut, "train.micro_batch_size=" + cut);
    words.replace(words.find("batch-size 2"), 12, "batch-size 16");
    ASSERT_EQ(corral(words), 0) << text("err");
    const std::vector<json> steps = read_lines(path("run" + cut) + "/metrics.jsonl");
    ASSERT_EQ(steps.size(), 8u);
    if (first.empty()) first = steps;
    // Rounding errors of the gradients grow with each update. The first update has rate 0, so two steps can be compared.
    for (size_t i = 0; i < 2; ++i) {
      const double loss = first[i]["loss"], norm = first[i]["grad_norm"];
      EXPECT_NEAR(steps[i]["loss"].get<double>(), loss, 1e-6 * loss) << "step " << i + 1 << " in micro-batches of " << cut;
      EXPECT_NEAR(steps[i]["grad_norm"].get<double>(), norm, 1e-5 * norm) << "step " << i + 1 << " in micro-batches of " << cut;
    }
  }
}

}  // namespace
}  // namespace corral
