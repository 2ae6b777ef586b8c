// eval, pretrain and generate against numbers of transformers on the same models.
#include "tests/golden_runs/golden_runs.h"

namespace corral {
namespace {

TEST_F(GoldenRuns, LogitsAndGradientsEqualThoseOfTransformersForEachFamily) {
  for (const char* model : {"llama3", "llama31", "llama32"}) {
    SCOPED_TRACE(model);
    expect_forward(model, "fp32", {1e-5, 1e-5, 1e-5});
    EXPECT_LE(
        difference(logits("logits"), read_tensor_file(kGolden + "expected/" + model + "/forward_fp32.safetensors").at("logits").values),
        1e-4);
  }
}

TEST_F(GoldenRuns, LabelsMovedByOneAreNoticed) {
  const auto golden = read_tensor_file(kGolden + "expected/llama3/forward_fp32.safetensors");
  ASSERT_EQ(corral("eval --checkpoint " + kGolden + "models/llama3 --data " + data(golden, true) + " --seq-length 33 --json"), 0)
      << text("err");
  EXPECT_GT(std::abs(json::parse(text("out"))["loss"].get<double>() -
                     read_json(kGolden + "expected/llama3/forward_fp32.json")["loss"].get<double>()),
            1e-2);
}

TEST_F(GoldenRuns, EightStepsOfAdamWEqualThoseOfTorch) {
  expect_training("llama3", "fp32", 2e-5, 1e-5);
  const auto golden = read_tensor_file(kGolden + "expected/llama3/train_fp32.safetensors");
  const auto weights = read_tensor_file(path("run") + "/checkpoints/iter_0000008/model.safetensors");
  for (const auto& [name, tensor] : golden) {
    if (!name.starts_with("final.")) continue;
    EXPECT_LE(difference(weights.at(name.substr(6)).values, tensor.values), 2e-5) << name;
  }
}

TEST_F(GoldenRuns, ARunDirectoryIsNeitherOverwrittenNorInvented) {
  data(read_tensor_file(kGolden + "expected/llama3/train_fp32.safetensors"));
  EXPECT_EQ(corral(training("llama3", "fp32", "run") + " --resume"), 2);
  EXPECT_FALSE(fs::exists(path("run")));
  ASSERT_EQ(corral(training("llama3", "fp32", "run")), 0) << text("err");
  EXPECT_EQ(corral(training("llama3", "fp32", "run")), 2);
  EXPECT_NE(text("err").find("--resume"), std::string::npos);
}

TEST_F(GoldenRuns, EachStageIsPrintedWithoutData) {
  const std::string words = "pretrain --model llama3/8b --precision bf16 --dir " + path("run") +
                            " --set model.num_hidden_layers=1 model.hidden_size=32"
                            " model.intermediate_size=48 model.num_attention_heads=2 model.num_key_value_heads=1 model.head_dim=16"
                            " model.vocab_size=64 optimizer.lr_warmup_iters=1 recompute.granularity=full --dump-graph ";
  std::map<std::string, std::string> shown;
  for (const char* stage : {"model", "autodiff", "recompute", "precision", "optimizer", "partition", "plan"}) {
    ASSERT_EQ(corral(words + stage), 0) << text("err");
    shown[stage] = text("out");
  }
  // Each stage adds its own operations; the stage before does not have them.
  const auto has = [&](const char* stage, const char* word) { return shown.at(stage).find(word) != std::string::npos; };
  const auto comes = [&](const char* before, const char* stage, const char* word) { return has(stage, word) && !has(before, word); };
  EXPECT_TRUE(has("model", "linear_lse")) << shown["model"];
  EXPECT_TRUE(comes("model", "autodiff", "linear_lse_backward")) << shown["autodiff"];
  EXPECT_GT(shown["recompute"].size(), shown["autodiff"].size());
  EXPECT_TRUE(comes("recompute", "precision", "bf16[")) << shown["precision"];
  EXPECT_TRUE(comes("precision", "optimizer", "adamw")) << shown["optimizer"];
  EXPECT_EQ(shown["partition"], shown["optimizer"]) << "of one rank";
  EXPECT_TRUE(has("plan", "gradients") && has("plan", "offset")) << shown["plan"];
  EXPECT_FALSE(fs::exists(path("run")));
}

TEST_F(GoldenRuns, OtherCommandsPrintTheStagesOfTheirGraphsAndEndThere) {
  const auto golden = read_tensor_file(kGolden + "expected/llama3/forward_fp32.safetensors");
  const std::string model = " --checkpoint " + kGolden + "models/llama3 --dump-graph ",
                    eval = "eval --seq-length 33 --data " + data(golden) + " --gradients " + path("gradients") + model;
  ASSERT_EQ(corral(eval + "autodiff"), 0) << text("err");
  EXPECT_NE(text("out").find("linear_lse_backward"), std::string::npos);
  EXPECT_EQ(text("out").find("perplexity"), std::string::npos);
  EXPECT_FALSE(fs::exists(path("gradients")));
  ASSERT_EQ(corral(eval + "plan"), 0) << text("err");
  EXPECT_NE(text("out").find("workspace"), std::string::npos) << text("out");
  ASSERT_EQ(corral("generate --prompt x" + model + "generation"), 0) << text("err");
  EXPECT_NE(text("out").find("write_cache"), std::string::npos) << text("out");
  EXPECT_EQ(text("err").find("tokens/s"), std::string::npos) << text("err");
  ASSERT_EQ(corral("init --model llama32/1b --hf-path " + path("new") + " --dump-graph model"), 0) << text("err");
  EXPECT_NE(text("out").find("model.layers.15."), std::string::npos) << text("out");
  EXPECT_FALSE(fs::exists(path("new")));
}

TEST_F(GoldenRuns, GreedyContinuationsEqualThoseOfTransformersTokenForToken) {
  for (const char* model : {"llama31", "llama32"}) {
    const json cases = read_json(kGolden + "expected/" + model + "/generate.json")["cases"];
    std::ofstream file(path("prompts"));
    for (const json& c : cases) file << json{{"input_ids", c["prompt"]}} << "\n";
    file.close();
    for (const char* slots : {"1", "4"}) {
      ASSERT_EQ(corral(std::string("generate --checkpoint ") + kGolden + "models/" + model + " --prompts " + path("prompts") +
                       " --batch-size " + slots + " --max-new-tokens 24 --temperature 0 --ignore-eos --json"),
                0)
          << text("err");
      const std::vector<json> texts = read_lines(path("out"));
      ASSERT_EQ(texts.size(), cases.size());
      for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(texts[i]["output_ids"], cases[i]["continuation"]) << model << ", prompt " << i;
    }
  }
}

TEST_F(GoldenRuns, RandomChoicesDependOnTheSeedAndNotOnOtherTextsOfTheBatch) {
  std::ofstream(path("prompts")) << R"({"input_ids": [5, 6, 7]})"
                                    "\n"
                                    R"({"input_ids": [9]})"
                                    "\n"
                                    R"({"input_ids": [5, 6, 7, 8, 1, 2]})"
                                    "\n";
  const auto generate = [&](const std::string& rest) {
    EXPECT_EQ(corral("generate --checkpoint " + kGolden + "models/llama3 --prompts " + path("prompts") +
                     " --max-new-tokens 20 --temperature 1 --top-p 0.95 --ignore-eos --json " + rest),
              0)
        << text("err");
    return text("out");
  };
  const std::string first = generate("--seed 1");
  EXPECT_EQ(first, generate("--seed 1 --batch-size 1"));
  EXPECT_NE(first, generate("--seed 2"));
}

TEST_F(GoldenRuns, WeightsOfInitDependOnTheSeedAlone) {
  const std::string words =
      "init --model llama3/8b --set model.num_hidden_layers=1 model.hidden_size=32 model.intermediate_size=48"
      " model.num_attention_heads=2 model.num_key_value_heads=1 model.head_dim=16 model.vocab_size=64 --hf-path ";
  ASSERT_EQ(corral(words + path("a") + " --seed 7"), 0) << text("err");
  ASSERT_EQ(corral(words + path("b/") + " --seed 7"), 0) << text("err");
  ASSERT_EQ(corral(words + path("c") + " --seed 8"), 0) << text("err");
  EXPECT_EQ(text("a/model.safetensors"), text("b/model.safetensors"));
  EXPECT_NE(text("a/model.safetensors"), text("c/model.safetensors"));
  EXPECT_EQ(read_tensor_file(path("a/model.safetensors")).at("model.norm.weight").values, std::vector<double>(32, 1.0));
  EXPECT_EQ(corral(words + path("a")), 2);
}

}  // namespace
}  // namespace corral
