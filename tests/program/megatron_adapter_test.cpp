// Adapters of peft and of Megatron Bridge: conversion both ways, evaluation, training.
#include <nlohmann/json.hpp>

#include "tests/program/model_folder.h"
#include "tests/program/run_program.h"

namespace {
namespace fs = std::filesystem;
using nlohmann::json;

class MegatronAdapter : public ProgramTest {
 protected:
  static constexpr const char* kFused = " --target-modules linear_qkv linear_proj linear_fc1 linear_fc2";

  const std::string base_ = golden("llama3");
  static std::string made_by_peft(const std::string& name) { return CORRAL_SOURCE_DIR "/tests/golden/expected/llama3/" + name; }
  std::string finetune(const std::string& method, const std::string& run, const std::string& more = "") const {
    return "finetune --pretrained-checkpoint " + base_ + " --peft " + method + " --data " + rows(8) +
           " --seq-length 16 --global-batch-size 2 --micro-batch-size 2 --lr 0.01 --train-iters 4 --dir " + (*this / run) +
           " --set optimizer.lr_warmup_iters=1 peft.dim=3 peft.alpha=6 peft.dropout=0.1 train.save_interval=2 train.eval_interval=0 " +
           more;
  }
  // A trained adapter in which the parts of a fused layer share their first matrix. Training leaves no matrix zero.
  std::string trained(const std::string& method) const {
    const Shown shown = corral(finetune(method, method));
    EXPECT_EQ(shown.code, 0) << shown.err;
    return *this / method + "/checkpoints/iter_0000004";
  }
  void expect_there_and_back(const std::string& adapter, const std::string& flags, const std::string& kind) const {
    const Shown in = corral("import --hf-model " + base_ + " --adapter " + adapter + " --megatron-path " + (*this / "mg") + flags);
    ASSERT_EQ(in.code, 0) << in.err;
    EXPECT_NE(text_of(*this / "mg/iter_0000000/run_config.yaml").find(kind + "\""), std::string::npos);
    const Shown out = corral("export --megatron-path " + (*this / "mg") + " --hf-path " + (*this / "back"));
    ASSERT_EQ(out.code, 0) << out.err;
    const auto expected = raw_tensors(adapter);
    EXPECT_GE(expected.size(), 28u);
    EXPECT_EQ(raw_tensors(*this / "back"), expected);
    const json before = json::parse(text_of(adapter + "/adapter_config.json")),
               after = json::parse(text_of(*this / "back/adapter_config.json"));
    for (const char* key : {"r", "lora_alpha", "lora_dropout", "use_dora", "peft_type"}) EXPECT_EQ(after[key], before[key]) << key;
    EXPECT_EQ(after["base_model_name_or_path"], base_);
    for (const char* folder : {"mg", "back"}) fs::remove_all(*this / folder);
  }
};

TEST_F(MegatronAdapter, AnAdapterOfPeftComesBackFromTheCanonicalFormByteForByte) {
  expect_there_and_back(made_by_peft("lora_end"), "", "CanonicalLoRA");
}

TEST_F(MegatronAdapter, LoraAndDoraOfFusedLayersComeBackByteForByte) {
  expect_there_and_back(trained("lora"), kFused, "lora.LoRA");
  expect_there_and_back(trained("dora"), kFused, "dora.DoRA");
}

TEST_F(MegatronAdapter, DifferentFirstMatricesAreNotFused) {
  const Shown refused =
      corral("import --hf-model " + base_ + " --adapter " + made_by_peft("lora_end") + " --megatron-path " + (*this / "mg") + kFused);
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("two that differ cannot become one"), std::string::npos) << refused.err;
  const Shown dora = corral("import --hf-model " + base_ + " --adapter " + made_by_peft("dora_end") + " --megatron-path " + (*this / "mg"));
  EXPECT_EQ(dora.code, 2);
  EXPECT_NE(dora.err.find("Megatron Bridge has no DoRA"), std::string::npos) << dora.err;
  EXPECT_FALSE(fs::exists(*this / "mg"));
}

TEST_F(MegatronAdapter, ItEvaluatesOnAModelOfEitherFormatAsPeftsFolderDoes) {
  ASSERT_EQ(corral("import --hf-model " + base_ + " --megatron-path " + (*this / "base")).code, 0);
  for (const auto& [adapter, flags] : {std::pair{made_by_peft("lora_end"), ""}, {trained("dora"), kFused}}) {
    const std::string mg = *this / "mg";
    ASSERT_EQ(corral("import --hf-model " + base_ + " --adapter " + adapter + " --megatron-path " + mg + flags).code, 0);
    const std::string words = " --json --seq-length 16 --set data.plugin=text --data " + rows(8);
    const Shown expected = corral("eval --checkpoint " + base_ + " --adapter " + adapter + words),
                bare = corral("eval --checkpoint " + base_ + words);
    ASSERT_EQ(expected.code, 0) << expected.err;
    EXPECT_NE(expected.out, bare.out);
    for (const std::string& model : {"--checkpoint " + base_ + " --adapter " + mg, "--checkpoint " + (*this / "base") + " --adapter " + mg,
                                     "--megatron-path " + mg, "--megatron-path " + mg + " --hf-model " + base_}) {
      const Shown mine = corral("eval " + model + words);
      EXPECT_EQ(mine.code, 0) << mine.err;
      EXPECT_EQ(mine.out, expected.out) << model;
    }
    fs::remove_all(mg);
  }
}

TEST_F(MegatronAdapter, AModelThatItWasNotTrainedForIsRefusedInEitherFormat) {
  const std::string adapter = trained("lora");
  fs::copy(base_, *this / "other");
  auto tensors = raw_tensors(base_);
  for (const auto& entry : fs::directory_iterator(*this / "other"))
    if (entry.path().string().find(".safetensors") != std::string::npos) fs::remove(entry.path());
  tensors.at("model.layers.0.mlp.up_proj.weight").back() ^= 1;
  write_tensors(*this / "other/model.safetensors", tensors);
  ASSERT_EQ(corral("import --hf-model " + (*this / "other") + " --megatron-path " + (*this / "other_mg")).code, 0);
  for (const char* model : {"other", "other_mg"}) {
    const Shown refused = corral("generate --checkpoint " + (*this / model) + " --adapter " + adapter + " --prompt x");
    EXPECT_EQ(refused.code, 2);
    EXPECT_NE(refused.err.find("tensor model.layers.0.mlp.up_proj.weight differs; 1 of 21 tensors differ"), std::string::npos)
        << refused.err;
  }
}

TEST_F(MegatronAdapter, ARunThatSavesInMegatronsFormatIsResumedBitForBit) {
  for (const std::string method : {"lora", "dora"}) {
    const Shown whole = corral(finetune(method, method + "_whole", "checkpoint.format=megatron"));
    ASSERT_EQ(whole.code, 0) << whole.err;
    fs::copy(*this / method + "_whole", *this / method + "_parts", fs::copy_options::recursive);
    fs::remove_all(*this / method + "_parts/checkpoints/iter_0000004");
    const Shown parts = corral("finetune --resume --dir " + (*this / method + "_parts"));
    ASSERT_EQ(parts.code, 0) << parts.err;
    EXPECT_NE(parts.err.find("after 2 steps"), std::string::npos) << parts.err;
    const auto compared = {"__0_0.distcp", ".metadata", "run_config.yaml", "state/__0_0.distcp", "state/.metadata"};
    for (const char* file : compared)
      EXPECT_TRUE(text_of(*this / method + "_parts/checkpoints/iter_0000004/" + file) ==
                  text_of(*this / method + "_whole/checkpoints/iter_0000004/" + file))
          << file;
    EXPECT_FALSE(text_of(*this / method + "_whole/checkpoints/iter_0000004/__0_0.distcp") ==
                 text_of(*this / method + "_whole/checkpoints/iter_0000002/__0_0.distcp"));
    // The same run saved in Hugging Face's format has the same weights.
    ASSERT_EQ(corral(finetune(method, method + "_hf")).code, 0);
    ASSERT_EQ(corral("export --checkpoint " + (*this / method + "_whole") + " --hf-path " + (*this / method + "_out")).code, 0);
    EXPECT_EQ(raw_tensors(*this / method + "_out"), raw_tensors(*this / method + "_hf/checkpoints/iter_0000004"));
  }
}

}  // namespace
