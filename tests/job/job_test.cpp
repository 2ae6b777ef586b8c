// A program without a command line opens, trains and converts a model.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "bin/convert/logits_check.h"
#include "bin/convert/model_transfer.h"
#include "bin/job/training.h"
#include "corral/error.h"

namespace corral {
namespace {
namespace fs = std::filesystem;

class Job : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "corral-job-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    std::ofstream rows(folder_ / "rows.jsonl");
    for (int r = 0; r < 16; ++r) {
      rows << "{\"input_ids\": [1";
      for (int i = 1; i < 16; ++i) rows << ", " << (r * 37 + i * i * 11 + 3) % 97;
      rows << "]}\n";
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  job::TrainingRequest three_steps(const std::string& dir) const {
    job::TrainingRequest request;
    for (const std::string& assignment :
         {"checkpoint.pretrained=" + model_, "run.dir=" + dir, "data.paths=" + (folder_ / "rows.jsonl").string(),
          std::string("train.train_iters=3"), std::string("train.global_batch_size=2"), std::string("train.micro_batch_size=2"),
          std::string("train.seq_length=16"), std::string("train.eval_interval=0"), std::string("optimizer.lr_warmup_iters=0"),
          std::string("precision.plugin=fp32"), std::string("device.threads=1"), std::string("data.split=1")})
      request.sources.flags.push_back(config::parse_assignment(assignment, "test"));
    return request;
  }

  std::string model_ = CORRAL_SOURCE_DIR "/tests/golden/models/llama3";
  fs::path folder_;
  std::vector<std::string> said_;
  Registry plugins_{{CORRAL_BINARY_DIR "/plugins"}};
  job::Host host_{plugins_,
                  config::RecipeFolders({CORRAL_BINARY_DIR "/share/corral/recipes"}),
                  [this](const std::string& line) { said_.push_back(line); },
                  {}};
};

TEST_F(Job, OpensTrainsAndConvertsAModelWithoutACommandLine) {
  const std::string run = folder_ / "run", converted = folder_ / "megatron";
  ASSERT_EQ(job::train(host_, three_steps(run)), train::Ending::kDone);

  const job::ModelSource trained = open_model(host_, {.path = run});
  fs::create_directory(converted);
  convert::ModelTransfer(host_, trained, "megatron", 0).write(converted);
  const job::ModelSource written = open_model_folder(host_, {.path = converted}), before = open_model(host_, {.path = model_});
  EXPECT_EQ(written.format, "megatron");
  const convert::LogitsCheck same = convert::check_logits(host_, {}, trained, written),
                             changed = convert::check_logits(host_, {}, before, trained);
  EXPECT_GT(same.largest, 0);
  EXPECT_TRUE(same.passed()) << same.sentence("trained", "converted");
  EXPECT_FALSE(changed.passed()) << "three steps changed nothing";
}

TEST_F(Job, SpeaksByTheHostsVoiceAlone) {
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  job::train(host_, three_steps(folder_ / "run"));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  const auto said = [&](const std::string& part) {
    return std::any_of(said_.begin(), said_.end(), [&](const std::string& line) { return line.find(part) != line.npos; });
  };
  EXPECT_TRUE(said("model: llama3"));
  EXPECT_TRUE(said("tokens a step, 3 steps, fp32 on cpu"));
  EXPECT_TRUE(said("saved "));
}

TEST_F(Job, ShowsTheTrainingGraphAndWritesNothing) {
  job::TrainingRequest request = three_steps(folder_ / "run");
  std::vector<std::string> stages;
  request.graph_only = job::GraphOnly{
      [&](train::Pipeline& pipeline) { pipeline.set_dump([&](const std::string& stage, const Graph&) { stages.push_back(stage); }); },
      [](const train::Pipeline&, const std::function<const runtime::Session&()>& planned) { EXPECT_GT(planned().plan().total, 0u); }};
  job::train(host_, request);
  EXPECT_NE(std::find(stages.begin(), stages.end(), "optimizer"), stages.end());
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

}  // namespace
}  // namespace corral
