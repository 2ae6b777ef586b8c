// A run that is killed and resumed ends with the same bytes as one that was not, with shuffled data over several epochs, micro-batches,
// dropout and recomputation. $CORRAL_KILLS is how often a save is killed (bin/test --long: 100).
#include <random>

#include "tests/golden_runs/killed_runs.h"

namespace corral {
namespace {

class Resume : public KilledRuns {
 protected:
  void SetUp() override {
    GoldenRuns::SetUp();
    data(read_tensor_file(kGolden + "expected/llama3/train_fp32.safetensors"));  // 16 rows
  }

  std::string words(const std::string& run, const std::string& precision, int steps, int save_interval,
                    const std::string& data = "") const {
    return "pretrain --pretrained-checkpoint " + kGolden + "models/llama3 --data " + (data.empty() ? path("data.jsonl") : data) +
           " --precision " + precision + " --dir " + path(run) + " --seq-length 33 --train-iters " + std::to_string(steps) +
           " --global-batch-size 4 --micro-batch-size 1 --lr 0.003 --set data.split=100,0,0 data.shuffle=true"
           " optimizer.lr_warmup_iters=1 model.hidden_dropout=0.1 recompute.granularity=full train.save_interval=" +
           std::to_string(save_interval);
  }

  void expect_same(const std::string& precision, const std::string& data) {
    expect_same_after_a_kill(
        "pretrain", [&](const std::string& run) { return words(run, precision, 40, 20, data); }, 40);
  }
};

TEST_F(Resume, AfterAKillEndsWithTheSameBytesInEachPrecision) {
  for (const std::string precision : {"fp32", "bf16"}) expect_same(precision, "");
}

TEST_F(Resume, OnPairsOfTokensEndsWithTheSameBytes) {
  for (const std::string name : {"a", "b"}) {
    std::ofstream rows(path(name + ".jsonl"));
    for (int i = 0; i < 9; ++i)
      rows << "{\"input_ids\": [" << i << ", 7, " << 50 + i << ", 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22]}\n";
    rows.close();
    ASSERT_EQ(corral("data build --data " + path(name + ".jsonl") + " --out " + path(name)), 0) << text("err");
  }
  expect_same("fp32", "0.3 " + path("a") + " 0.7 " + path("b") + " --dataset indexed");
}

TEST_F(Resume, AfterKillsAtRandomInstantsOfSavesEndsWithTheSameBytesAndNamesTheSkippedSave) {
  const char* wish = std::getenv("CORRAL_KILLS");
  const int kills = wish ? std::atoi(wish) : 8, steps = 3 * kills;
  ASSERT_EQ(corral(words("whole", "bf16", steps, steps) + ""), 0) << text("err");
  std::mt19937 random(1);
  int in_a_save = 0, said = 0;
  int newest = 0;
  const std::string begin = words("parts", "bf16", steps, 1) + " checkpoint.keep=2", go_on = "pretrain --resume --dir " + path("parts");
  for (int round = 0; in_a_save < kills && round < 4 * kills; ++round) {
    if (newest == 0) fs::remove_all(path("parts"));
    const bool was_left = unfinished("parts");
    const pid_t child = start(newest ? go_on : begin);
    bool cleared = !was_left;  // leftovers of the last kill are removed before the first save
    const auto saving = [&] {
      const bool now = unfinished("parts");
      cleared = cleared || !now;
      return cleared && now && newest_of("parts") > 0;
    };
    if (!kill_once(child, saving, std::chrono::microseconds(random() % 12000))) break;
    if (was_left) {
      EXPECT_NE(text("err").find(".partial: its save did not finish"), std::string::npos) << text("err");
      ++said;
    }
    in_a_save += unfinished("parts");
    newest = newest_of("parts");
  }
  EXPECT_GE(in_a_save, kills / 2);
  EXPECT_GE(said, kills / 4);
  ASSERT_EQ(corral(go_on), 0) << text("err");
  expect_same_files("whole/checkpoints/" + iteration(steps), "parts/checkpoints/" + iteration(steps));
}

TEST_F(Resume, ADamagedCheckpointIsSkippedAndReported) {
  ASSERT_EQ(corral(words("run", "fp32", 4, 2)), 0) << text("err");
  const std::string newest = path("run") + "/checkpoints/iter_0000004";
  {
    std::fstream file(newest + "/state/optimizer.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(-100, std::ios::end);
    const auto at = file.tellg();
    const char other = static_cast<char>(file.get() ^ 1);
    file.seekp(at);
    file.put(other);
  }
  ASSERT_EQ(corral("pretrain --resume --dir " + path("run") + " --train-iters 6"), 0) << text("err");
  const std::string said = text("err");
  EXPECT_NE(said.find("skipped " + newest), std::string::npos) << said;
  EXPECT_NE(said.find("optimizer.safetensors"), std::string::npos) << said;
  EXPECT_NE(said.find("iter_0000002 after 2 steps"), std::string::npos) << said;
}

TEST_F(Resume, TheSameConfigurationGivesTheSameBytesTwice) {
  for (const std::string run : {"a", "b"}) ASSERT_EQ(corral(words(run, "bf16", 6, 6)), 0) << text("err");
  expect_same_files("a/checkpoints/iter_0000006", "b/checkpoints/iter_0000006");
  ASSERT_EQ(corral(words("c", "bf16", 6, 6) + " train.seed=77"), 0) << text("err");
  EXPECT_NE(text("a/checkpoints/iter_0000006/model.safetensors"), text("c/checkpoints/iter_0000006/model.safetensors"));
}

}  // namespace
}  // namespace corral
