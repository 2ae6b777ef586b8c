// A small run on text: it takes its vocabulary from the tokenizer, refuses bad settings before any work, and prints its size and time.
#include "tests/golden_runs/golden_runs.h"

namespace corral {
namespace {

class SmallRun : public GoldenRuns {
 protected:
  void SetUp() override {
    GoldenRuns::SetUp();
    std::ofstream file(path("text.jsonl"));
    for (int i = 0; i < 200; ++i) file << json{{"text", "the light of the moon on the water, number " + std::to_string(i)}} << "\n";
  }

  const std::string tokenizer_ = " --tokenizer " + kGolden + "models/llama3";
  const std::string shape_ =
      " --set model.num_hidden_layers=1 model.hidden_size=32 model.intermediate_size=48 model.num_attention_heads=2"
      " model.num_key_value_heads=1 model.head_dim=16 ";
  std::string words(const std::string& iters, const std::string& rest) const {
    return "pretrain --recipe llama32_1b_pretrain_config --data " + path("text.jsonl") + " --dir " + path("run") + " --train-iters " +
           iters + " --global-batch-size 4 --seq-length 32 " + rest;
  }
  bool says(const std::string& part) const { return text("err").find(part) != std::string::npos; }
};

TEST_F(SmallRun, TakesItsVocabularyFromTheTokenizerAndSaysItsSizeAndTime) {
  ASSERT_EQ(corral(words("5", tokenizer_ + shape_ + "optimizer.lr_warmup_iters=2")), 0) << text("err");
  EXPECT_EQ(read_json(path("run/checkpoints/iter_0000005/config.json"))["vocab_size"], 320);
  EXPECT_TRUE(says("4 sequences x 32 = 128 tokens a step")) << text("err");
  EXPECT_TRUE(says("the whole run takes about")) << text("err");
  fs::remove_all(path("run"));
  ASSERT_EQ(corral(words("3", tokenizer_ + shape_ + "optimizer.lr_warmup_iters=2 model.vocab_size=400")), 0) << text("err");
  EXPECT_EQ(read_json(path("run/checkpoints/iter_0000003/config.json"))["vocab_size"], 400);
}

TEST_F(SmallRun, RefusesAWarmUpThatDoesNotEndBeforeAnyWorkWithAValueThatFits) {
  EXPECT_EQ(corral(words("50", tokenizer_ + shape_)), 2);
  const std::string said = text("err"), key = "set optimizer.lr_warmup_iters=";
  ASSERT_NE(said.find(key), std::string::npos) << said;
  EXPECT_FALSE(fs::exists(path("run")));
  const std::string value = std::to_string(std::stoi(said.substr(said.find(key) + key.size())));
  EXPECT_EQ(corral(words("50", tokenizer_ + shape_ + "optimizer.lr_warmup_iters=" + value)), 0) << text("err");
}

TEST_F(SmallRun, RefusesTextWithoutATokenizerNamingTheFlag) {
  EXPECT_EQ(corral(words("5", shape_ + "optimizer.lr_warmup_iters=2")), 2);
  EXPECT_TRUE(says("--tokenizer")) << text("err");
  EXPECT_FALSE(fs::exists(path("run")));
}

TEST_F(SmallRun, RefusesATokenizerWithMoreIdsThanALoadedModelAndWarnsOfOneWithFewer) {
  for (const std::string rows : {"64", "400"})
    ASSERT_EQ(corral("init --model llama32/1b" + shape_ + "model.vocab_size=" + rows + " --hf-path " + path("m" + rows)), 0) << text("err");
  const std::string rest = tokenizer_ + " --set optimizer.lr_warmup_iters=2 --pretrained-checkpoint ";
  EXPECT_EQ(corral(words("5", rest + path("m64"))), 2);
  EXPECT_TRUE(says("320") && says("64")) << text("err");
  EXPECT_FALSE(fs::exists(path("run")));
  EXPECT_EQ(corral(words("5", rest + path("m400"))), 0) << text("err");
  EXPECT_TRUE(says("320") && says("400")) << text("err");
}

}  // namespace
}  // namespace corral
