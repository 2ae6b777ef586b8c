// The installed Corral, and plugins built out of tree against its SDK (tests/sdk/install makes both).
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/golden_runs/tensor_file.h"

namespace {
namespace fs = std::filesystem;
using nlohmann::json;

const std::string kPrefix = CORRAL_SCRATCH "/prefix", kStripped = CORRAL_SCRATCH "/stripped",
                  kBuilt = CORRAL_SCRATCH "/template/build/plugins";
const std::string kPlugin = kBuilt + "/optimizer/rmsprop/rmsprop.so";
const std::string kModel = CORRAL_SOURCE_DIR "/tests/golden/models/llama3";

class Installed : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("corral_sdk_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string text(const std::string& name) const {
    std::ifstream file(path(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  int shell(const std::string& line) const {
    const int status = std::system((line + " >" + path("out") + " 2>" + path("err")).c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  int corral(const std::string& words, const std::string& prefix = kPrefix) const { return shell(prefix + "/bin/corral " + words); }

  // The number of plugins below a prefix. Each can be used on this processor, or is for another one.
  size_t own_plugins(const std::string& prefix) const {
    EXPECT_EQ(corral("plugins --json", prefix), 0) << text("err");
    size_t own = 0;
    for (const json& plugin : json::parse(text("out"))) {
      if (!plugin["path"].get<std::string>().starts_with(prefix + "/lib/corral/plugins/")) continue;
      ++own;
      EXPECT_TRUE(plugin["available"] || plugin["reason"].get<std::string>().find("this processor lacks") == 0) << plugin.dump();
    }
    return own;
  }

  // Trains a golden model for one step on 16 tokens, in the run directory "run".
  int train(const std::string& words, const std::string& prefix = kPrefix) const {
    std::ofstream(path("data.jsonl")) << R"({"input_ids": [1, 5, 9, 13, 17, 21, 25, 29, 33, 37, 41, 45, 49, 53, 57, 61]})"
                                      << "\n";
    return corral(
        "pretrain --pretrained-checkpoint " + kModel + " --data " + path("data.jsonl") + " --dir " + path("run") +
            " --seq-length 16 --train-iters 1 --global-batch-size 1 --set data.split=100,0,0 data.shuffle=false train.log_interval=1 " +
            words,
        prefix);
  }

  // The largest change of any weight in that step.
  double largest_move() const {
    std::map<std::string, FileTensor> before;
    for (const auto& entry : fs::directory_iterator(kModel))
      if (entry.path().extension() == ".safetensors") before.merge(read_tensor_file(entry.path().string()));
    const auto after = read_tensor_file(path("run") + "/checkpoints/iter_0000001/model.safetensors");
    double most = 0;
    for (const auto& [name, tensor] : after)
      for (size_t i = 0; i < tensor.values.size(); ++i) most = std::max(most, std::fabs(tensor.values[i] - before.at(name).values[i]));
    return most;
  }

  fs::path folder_;
};

TEST_F(Installed, FindsPluginsAndRecipesBesideItself) {
  EXPECT_GE(own_plugins(kPrefix), 10u);
  ASSERT_EQ(corral("recipes show llama32_1b_pretrain_config"), 0) << text("err");
  EXPECT_NE(text("out").find("llama32"), std::string::npos);
}

TEST_F(Installed, StrippedHasEveryPluginAndTrains) {
  const std::string so = "/lib/corral/plugins/device/cpu/cpu.so";
  ASSERT_LT(fs::file_size(kStripped + so), fs::file_size(kPrefix + so) / 2);
  EXPECT_EQ(own_plugins(kStripped), own_plugins(kPrefix));
  ASSERT_EQ(train("", kStripped), 0) << text("err");
}

TEST_F(Installed, TheTemplateStrippedByHandPassesAndTakesEffect) {
  fs::copy(kBuilt, path("plugins"), fs::copy_options::recursive);
  const std::string so = path("plugins") + "/optimizer/rmsprop/rmsprop.so";
  ASSERT_EQ(shell("strip " + so), 0) << text("err");
  ASSERT_LT(fs::file_size(so), fs::file_size(kPlugin));
  EXPECT_EQ(corral("plugin validate " + so + " --include '^(file|descriptor|life.once)'"), 0) << text("out");
  ASSERT_EQ(train("--optimizer rmsprop --plugin-path " + path("plugins") + " --lr 0.003"), 0) << text("err");
  EXPECT_NEAR(largest_move(), 0.003, 1e-5);
}

TEST_F(Installed, TheTemplateGivesItsOptionsAndHelpWithoutBeingLoaded) {
  ASSERT_EQ(corral("recipes show llama32_1b_pretrain_config --json --optimizer " + kPlugin + " --set optimizer.decay=0.5"), 0)
      << text("err");
  const json shown = json::parse(text("out"));
  EXPECT_EQ(shown["optimizer.decay"]["value"], 0.5);
  EXPECT_EQ(shown["optimizer.decay"]["from"], "--set");
  EXPECT_EQ(shown["optimizer.eps"]["value"], 1e-8);
  ASSERT_EQ(corral("recipes show llama32_1b_pretrain_config --optimizer " + kPlugin + " --set optimizer.decai=0.5"), 2);
  EXPECT_NE(text("err").find("did you mean \"optimizer.decay\"?"), std::string::npos) << text("err");
}

// In its first step RMSprop moves every weight by the learning rate; AdamW with its warm-up and clipping does not.
TEST_F(Installed, TheTemplateTakesEffectByPath) {
  ASSERT_EQ(train("--optimizer " + kPlugin + " --lr 0.01"), 0) << text("err");
  EXPECT_NEAR(largest_move(), 0.01, 1e-5);
}

TEST_F(Installed, TheTemplateTakesEffectByNameAndFolder) {
  ASSERT_EQ(train("--optimizer rmsprop --plugin-path " + kBuilt + " --lr 0.003"), 0) << text("err");
  EXPECT_NEAR(largest_move(), 0.003, 1e-5);
  ASSERT_EQ(train("--optimizer rmsprop --lr 0.003"), 2);
  EXPECT_NE(text("err").find("optimizer"), std::string::npos) << text("err");
}

TEST_F(Installed, AMethodOfFineTuningBuiltOutOfTreeIsSwappedInByPath) {
  const std::string method = CORRAL_SCRATCH "/row_factors/build/row_factors.so";
  std::ofstream(path("data.jsonl")) << R"({"input_ids": [1, 5, 9, 13, 17, 21, 25, 29, 33, 37, 41, 45, 49, 53, 57, 61]})"
                                    << "\n";
  const std::string words = "finetune --pretrained-checkpoint " + kModel + " --data " + path("data.jsonl") +
                            " --seq-length 16 --train-iters 2 --global-batch-size 1 --lr 0.01 --set data.split=100,0,0 "
                            "optimizer.lr_warmup_iters=0 --dir ";
  ASSERT_EQ(corral(words + path("run") + " --peft " + method + " --set peft.target=up_proj"), 0) << text("err");
  const auto adapter = read_tensor_file(path("run") + "/checkpoints/iter_0000002/adapter_model.safetensors");
  ASSERT_EQ(adapter.size(), 2u);
  for (const auto& [name, factors] : adapter) EXPECT_NE(factors.values[0], 1) << name;
  ASSERT_EQ(corral(words + path("other") + " --peft lora"), 0) << text("err");
  EXPECT_TRUE(read_tensor_file(path("other") + "/checkpoints/iter_0000002/adapter_model.safetensors")
                  .contains("base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"));
}

TEST_F(Installed, TheTemplateNamesAnImpossibleOption) {
  ASSERT_EQ(train("--optimizer " + kPlugin + " --set optimizer.decay=1"), 2);
  EXPECT_NE(text("err").find("optimizer.decay = 1: expected 0 or more and less than 1"), std::string::npos) << text("err");
  EXPECT_FALSE(fs::exists(path("run")));
}

TEST_F(Installed, TheTemplateNeedsOnlyTheLibrariesOfTheCompiler) {
  ASSERT_EQ(shell("readelf -d " + kPlugin), 0);
  std::istringstream lines(text("out"));
  for (std::string line; std::getline(lines, line);)
    if (line.find("(NEEDED)") != std::string::npos)
      EXPECT_TRUE(line.find("[libc.so.6]") != std::string::npos || line.find("[libstdc++.so.6]") != std::string::npos ||
                  line.find("[libgcc_s.so.1]") != std::string::npos)
          << line;
}

}  // namespace
