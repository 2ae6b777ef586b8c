// What a user sees of eval, pretrain and generate, against what transformers computed of the same models.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "tests/golden_runs/tensor_file.h"

namespace {
namespace fs = std::filesystem;
using nlohmann::json;

const std::string kGolden = CORRAL_SOURCE_DIR "/tests/golden/";

json read_json(const std::string& path) { return json::parse(std::ifstream(path)); }

std::vector<json> read_lines(const std::string& path) {
  std::ifstream file(path);
  std::vector<json> rows;
  for (std::string line; std::getline(file, line);) rows.push_back(json::parse(line));
  return rows;
}

double largest(const std::vector<double>& values) {
  double most = 0;
  for (const double v : values) most = std::max(most, std::abs(v));
  return most;
}

// Of the places that the golden has; ours may have one more at the end of each row.
double difference(const std::vector<double>& a, const std::vector<double>& b) {
  double most = a.size() == b.size() ? 0 : INFINITY;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

class GoldenRuns : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("corral_golden_" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string text(const std::string& name) const {
    std::ifstream file(path(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  int corral(const std::string& words) const {
    const int status = std::system((CORRAL_BINARY_DIR "/bin/corral >" + path("out") + " 2>" + path("err") + " " + words).c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  // The rows of a golden as data: its labels are shifted already, so each row gets the token after its last one. `moved` shifts the labels
  // by one more, which is the mistake that these tests must notice.
  std::string data(const std::map<std::string, FileTensor>& golden, bool moved = false) const {
    const FileTensor &tokens = golden.at("tokens"), &labels = golden.at("labels"), &mask = golden.at("loss_mask");
    const auto length = static_cast<size_t>(tokens.shape.back());
    std::ofstream file(path("data.jsonl"));
    for (size_t from = 0; from < tokens.values.size(); from += length) {
      json row{{"input_ids", json::array()}, {"labels", json::array({-100})}};
      for (size_t i = from; i < from + length; ++i) {
        row["input_ids"].push_back(static_cast<int>(tokens.values[i]));
        row["labels"].push_back(mask.values[i] != 0 ? static_cast<int>(labels.values[i]) : -100);
      }
      row["input_ids"].push_back(static_cast<int>(labels.values[from + length - 1]));
      if (moved) std::rotate(row["labels"].begin(), row["labels"].begin() + 1, row["labels"].end());
      file << row << "\n";
    }
    return path("data.jsonl");
  }

  void expect_forward(const std::string& model) {
    const auto golden = read_tensor_file(kGolden + "expected/" + model + "/forward_fp32.safetensors");
    const auto length = static_cast<size_t>(golden.at("tokens").shape.back());
    ASSERT_EQ(
        corral("eval --checkpoint " + kGolden + "models/" + model + " --data " + data(golden) + " --seq-length " +
               std::to_string(length + 1) + " --precision fp32 --json --logits " + path("logits") + " --gradients " + path("gradients")),
        0)
        << text("err");
    EXPECT_NEAR(json::parse(text("out"))["loss"].get<double>(), read_json(kGolden + "expected/" + model + "/forward_fp32.json")["loss"],
                1e-5);
    FileTensor logits = read_tensor_file(path("logits")).at("logits");
    const auto vocabulary = static_cast<size_t>(logits.shape[2]);
    std::vector<double> kept;
    for (size_t row = 0; row < static_cast<size_t>(logits.shape[0]); ++row) {
      const auto from = logits.values.begin() + static_cast<std::ptrdiff_t>(row * (length + 1) * vocabulary);
      kept.insert(kept.end(), from, from + static_cast<std::ptrdiff_t>(length * vocabulary));
    }
    const FileTensor& expected = golden.at("logits");
    EXPECT_LE(difference(kept, expected.values), 1e-5 * largest(expected.values));
    const auto gradients = read_tensor_file(path("gradients"));
    size_t compared = 0;
    for (const auto& [name, tensor] : golden) {
      if (!name.starts_with("grad.")) continue;
      ++compared;
      ASSERT_TRUE(gradients.contains(name.substr(5))) << name;
      EXPECT_LE(difference(gradients.at(name.substr(5)).values, tensor.values), 1e-5 * largest(tensor.values)) << name;
    }
    EXPECT_EQ(compared, gradients.size());
  }

  std::string training(const std::string& model, const std::string& precision, const std::string& run, const std::string& rest = "") const {
    return "pretrain --pretrained-checkpoint " + kGolden + "models/" + model + " --data " + path("data.jsonl") + " --precision " +
           precision + " --dir " + path(run) +
           " --seq-length 33 --train-iters 8 --global-batch-size 2 --lr 0.003 --min-lr 0.0003 --set data.split=100,0,0"
           " data.shuffle=false train.log_interval=1 optimizer.lr_warmup_iters=2 optimizer.lr_decay_iters=8 optimizer.weight_decay=0.1"
           " optimizer.adam_beta2=0.95 optimizer.adam_eps=1e-5 optimizer.clip_grad=1 " +
           rest;
  }

  // Each loss and norm of eight steps, and the weights after them.
  void expect_training(const std::string& model, const std::string& precision, double loss_limit, double norm_limit) {
    const std::string name = kGolden + "expected/" + model + "/train_" + precision;
    const json facts = read_json(name + ".json");
    data(read_tensor_file(name + ".safetensors"));
    ASSERT_EQ(corral(training(model, precision, "run")), 0) << text("err");
    const std::vector<json> metrics = read_lines(path("run") + "/metrics.jsonl");
    ASSERT_EQ(metrics.size(), 8u);
    for (size_t i = 0; i < 8; ++i) {
      const double loss = facts["losses"][i], norm = facts["grad_norms"][i], rate = facts["learning_rates"][i];
      EXPECT_NEAR(metrics[i]["loss"].get<double>(), loss, loss_limit) << "step " << i + 1;
      EXPECT_NEAR(metrics[i]["grad_norm"].get<double>(), norm, norm_limit * norm) << "step " << i + 1;
      EXPECT_NEAR(metrics[i]["lr"].get<double>(), rate, 1e-12) << "step " << i + 1;
    }
  }

  fs::path folder_;
};

TEST_F(GoldenRuns, LogitsAndGradientsEqualThoseOfTransformersForEachFamily) {
  for (const char* model : {"llama3", "llama31", "llama32"}) {
    SCOPED_TRACE(model);
    expect_forward(model);
  }
}

TEST_F(GoldenRuns, ALabelThatIsMovedByOneIsNoticed) {
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

TEST_F(GoldenRuns, Bfloat16TrainsLikeItsDefinition) {
  // Three times what two orders of summation differ by, as tests/interop/oracle says.
  expect_training("llama32", "bf16", 1.2e-2, 4.5e-3);
  EXPECT_EQ(read_tensor_file(path("run") + "/checkpoints/iter_0000008/model.safetensors").begin()->second.dtype, "BF16");
}

TEST_F(GoldenRuns, MicroBatchesDoNotChangeTheLossOrTheGradients) {
  const auto golden = read_tensor_file(kGolden + "expected/llama3/train_fp32.safetensors");
  const std::string words =
      "eval --checkpoint " + kGolden + "models/llama3 --data " + data(golden) + " --seq-length 33 --global-batch-size 16 --json ";
  ASSERT_EQ(corral(words + "--micro-batch-size 1 --gradients " + path("one")), 0) << text("err");
  const double loss = json::parse(text("out"))["loss"];
  const auto one = read_tensor_file(path("one"));
  for (const char* size : {"4", "16"}) {
    ASSERT_EQ(corral(words + "--micro-batch-size " + size + " --gradients " + path("many")), 0) << text("err");
    EXPECT_NEAR(json::parse(text("out"))["loss"].get<double>(), loss, 1e-6 * loss);
    const auto many = read_tensor_file(path("many"));
    for (const auto& [name, tensor] : one)
      EXPECT_LE(difference(tensor.values, many.at(name).values), 1e-5 * largest(tensor.values)) << name;
  }
}

TEST_F(GoldenRuns, ARunThatWasInterruptedEndsWithTheSameFiles) {
  data(read_tensor_file(kGolden + "expected/llama3/train_fp32.safetensors"));
  for (const std::string precision : {"fp32", "bf16"}) {
    const std::string rest = "recompute.granularity=full train.micro_batch_size=1";
    std::string words = training("llama3", precision, "whole" + precision, rest);
    words.replace(words.find("--train-iters 8 "), 16, "--train-iters 24 ").replace(words.find("shuffle=false"), 13, "shuffle=true");
    ASSERT_EQ(corral(words), 0) << text("err");
    words.replace(words.find("/whole"), 6, "/parts");
    ASSERT_EQ(corral(words + " train.exit_duration_in_mins=0.0000001"), 0) << text("err");
    ASSERT_FALSE(fs::exists(path("parts" + precision) + "/checkpoints/iter_0000024"));
    ASSERT_EQ(corral("pretrain --resume --dir " + path("parts" + precision) + " --set train.exit_duration_in_mins=0"), 0) << text("err");
    const fs::path whole = path("whole" + precision) + "/checkpoints/iter_0000024",
                   parts = path("parts" + precision) + "/checkpoints/iter_0000024";
    size_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(whole)) {
      if (!entry.is_regular_file()) continue;
      ++files;
      const fs::path other = parts / fs::relative(entry.path(), whole);
      EXPECT_EQ(std::system(("cmp " + entry.path().string() + " " + other.string()).c_str()), 0) << other;
    }
    EXPECT_GE(files, 5u);
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
  const std::string words = "pretrain --model llama3/8b --dir " + path("run") +
                            " --set model.num_hidden_layers=1 model.hidden_size=32"
                            " model.intermediate_size=48 model.num_attention_heads=2 model.num_key_value_heads=1 model.head_dim=16"
                            " model.vocab_size=64 optimizer.lr_warmup_iters=1 --dump-graph ";
  for (const auto& [stage, word] :
       {std::pair{"model", "linear_lse"}, {"autodiff", "linear_lse_backward"}, {"optimizer", "adamw"}, {"plan", "gradients"}}) {
    ASSERT_EQ(corral(words + stage), 0) << text("err");
    EXPECT_NE(text("out").find(word), std::string::npos) << stage;
  }
  EXPECT_EQ(corral(words + "autodif"), 2);
  EXPECT_FALSE(fs::exists(path("run")));
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

TEST_F(GoldenRuns, RandomChoicesDependOnTheSeedAndNotOnWhatIsGeneratedBeside) {
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
