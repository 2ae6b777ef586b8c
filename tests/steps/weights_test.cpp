// Weights of targets, from the dataset to the update.
#include <gtest/gtest.h>

#include "kernel/plugin/dataset.h"
#include "tests/steps/small_training.h"

namespace corral {
namespace {

TEST(Weights, AreOneWhereThereIsATargetUnlessTheDatasetGivesOthers) {
  DatasetRequest request;
  request.seq_length = 3;
  const DatasetHandle data = DatasetHandle::open(load_built(CORRAL_WEIGHING_DATASET, CORRAL_DATASET_ID), request, nullptr);
  std::vector<int32_t> tokens(9), targets(9), positions(9), first_key(9);
  std::vector<float> weights(9, -1);
  data.fetch(0, 1, 3, tokens.data(), targets.data(), positions.data(), first_key.data(), weights.data());
  EXPECT_EQ(weights, (std::vector<float>{1, 1, 0, 0.5, 0.5, 0, 1, 1, 0}));
}

TEST(Weights, MakeTheLossAWeightedMeanOverAllMicroBatches) {
  SmallTraining run("fp32");
  train::Batch first = run.batch(), second = run.batch();
  runtime::Session session(load_device(built_plugin("device/cpu")), {{"evaluation", small_model(false, 6, 12)}});
  session.allocate();
  for (const State& s : session.graph("evaluation").states) {
    const runtime::TensorRef from = run.session().state(name_of(session.graph("evaluation"), s.tensor));
    std::vector<char> bytes(from.bytes());
    run.session().read(from, bytes.data(), bytes.size());
    session.write(session.tensor("evaluation", s.tensor), bytes.data(), bytes.size());
  }
  train::Step evaluation(session, "evaluation", 0);
  train::StepResult whole, half;
  evaluation.forward(first, whole);
  for (size_t i = 0; i < second.weights.size(); ++i) second.weights[i] *= static_cast<float>(i) / 8;
  evaluation.forward(second, half);
  const train::StepResult result = run.train({first, second});
  EXPECT_NE(whole.loss(), half.loss());
  EXPECT_DOUBLE_EQ(result.weight_sum, whole.weight_sum + half.weight_sum);
  EXPECT_NEAR(result.loss(), (whole.loss_sum + half.loss_sum) / (whole.weight_sum + half.weight_sum), 1e-6);
}

TEST(Weights, OfTheSameProportionGiveTheSameUpdateBitForBit) {
  SmallTraining plain("bf16"), doubled("bf16"), other("bf16");
  train::Batch batch = plain.batch();
  const train::StepResult once = plain.train({batch, batch});
  for (float& w : batch.weights) w *= 2;
  const train::StepResult twice = doubled.train({batch, batch});
  EXPECT_EQ(twice.loss(), once.loss());
  EXPECT_EQ(twice.grad_norm, once.grad_norm);
  EXPECT_EQ(doubled.saved(), plain.saved());
  batch.weights[0] *= 3;
  other.train({batch, batch});
  EXPECT_NE(other.saved(), plain.saved());
}

TEST(Weights, OfZeroTrainAsIfThereWereNoTarget) {
  SmallTraining zero("fp32"), none("fp32");
  train::Batch batch = zero.batch(), without = batch;
  for (size_t i = 0; i < batch.weights.size(); i += 2) {
    batch.weights[i] = without.weights[i] = 0;
    without.targets[i] = -1;
  }
  EXPECT_EQ(zero.train({batch}).loss(), none.train({without}).loss());
  EXPECT_EQ(zero.saved(), none.saved());
}

TEST(Weights, OfNoTargetAtAllDivideByOne) {
  SmallTraining run("fp32");
  train::Batch batch = run.batch();
  std::fill(batch.targets.begin(), batch.targets.end(), -1);
  std::fill(batch.weights.begin(), batch.weights.end(), 0.0f);
  const train::StepResult result = run.train({batch});
  EXPECT_EQ(result.loss(), 0);
  EXPECT_EQ(result.grad_norm, 0);
}

}  // namespace
}  // namespace corral
