// A run that is killed and goes on ends with the bytes of one that was not: shuffled data over several epochs, micro-batches, dropout,
// recomputation. $CORRAL_KILLS: how often the save is killed (bin/test --long: 100).
#include <fcntl.h>

#include <chrono>
#include <csignal>
#include <random>
#include <sstream>
#include <thread>

#include "tests/golden_runs/golden_runs.h"

namespace corral {
namespace {

class Resume : public GoldenRuns {
 protected:
  void SetUp() override {
    GoldenRuns::SetUp();
    data(read_tensor_file(kGolden + "expected/llama3/train_fp32.safetensors"));  // 16 rows
  }

  std::string words(const std::string& run, const std::string& precision, int steps, int save_interval) const {
    return "pretrain --pretrained-checkpoint " + kGolden + "models/llama3 --data " + path("data.jsonl") + " --precision " + precision +
           " --dir " + path(run) + " --seq-length 33 --train-iters " + std::to_string(steps) +
           " --global-batch-size 4 --micro-batch-size 1 --lr 0.003 --set data.split=100,0,0 data.shuffle=true"
           " optimizer.lr_warmup_iters=1 model.hidden_dropout=0.1 recompute.granularity=full train.save_interval=" +
           std::to_string(save_interval);
  }

  // A process of its own, that can be killed.
  pid_t start(const std::string& line) const {
    std::istringstream in(line);
    std::vector<std::string> list{CORRAL_BINARY_DIR "/bin/corral"};
    for (std::string word; in >> word;) list.push_back(word);
    std::vector<char*> argv;
    for (std::string& word : list) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t child = fork();
    if (child) return child;
    dup2(open(path("err").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }

  // Kills it `after` the moment at which `when` holds; false where it ended before.
  template <class When>
  static bool kill_once(pid_t child, const When& when, std::chrono::microseconds after) {
    int status = 0;
    while (!when()) {
      if (waitpid(child, &status, WNOHANG) == child) return false;
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    std::this_thread::sleep_for(after);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return WIFSIGNALED(status);
  }

  static std::string iteration(int step) {
    const std::string digits = std::to_string(step);
    return "iter_" + std::string(7 - digits.size(), '0') + digits;
  }

  // The last whole checkpoint; 0: none.
  int newest_of(const std::string& run) const {
    int newest = 0;
    std::error_code error;
    for (fs::directory_iterator at(path(run) + "/checkpoints", error), end; !error && at != end; at.increment(error))
      if (const std::string name = at->path().filename(); name.starts_with("iter_") && name.size() == 12)
        newest = std::max(newest, std::stoi(name.substr(5)));
    return newest;
  }

  bool unfinished(const std::string& run) const {
    std::error_code error;
    for (fs::directory_iterator at(path(run) + "/checkpoints", error), end; !error && at != end; at.increment(error))
      if (at->path().extension() == ".partial" && at->is_directory(error)) return true;
    return false;
  }

  void expect_same_files(const std::string& a, const std::string& b) const {
    size_t files = 0;
    for (const std::string& side : {a, b})
      for (const auto& entry : fs::recursive_directory_iterator(path(side))) {
        if (!entry.is_regular_file()) continue;
        ++files;
        const fs::path relative = fs::relative(entry.path(), path(side));
        EXPECT_EQ(std::system(("cmp " + (path(a) / relative).string() + " " + (path(b) / relative).string()).c_str()), 0) << relative;
      }
    EXPECT_GE(files, 10u);
  }
};

TEST_F(Resume, AfterAKillEndsWithTheSameBytesInEachPrecision) {
  for (const std::string precision : {"fp32", "bf16"}) {
    ASSERT_EQ(corral(words("whole", precision, 40, 20)), 0) << text("err");
    bool killed = false;
    for (int attempt = 0; attempt < 10 && !killed; ++attempt) {
      fs::remove_all(path("parts"));
      killed =
          kill_once(start(words("parts", precision, 40, 20)), [&] { return fs::exists(path("parts") + "/checkpoints/iter_0000020"); }, {});
    }
    ASSERT_TRUE(killed) << "it was too fast, ten times";
    ASSERT_FALSE(fs::exists(path("parts") + "/checkpoints/iter_0000040"));
    ASSERT_EQ(corral("pretrain --resume --dir " + path("parts")), 0) << text("err");
    EXPECT_NE(text("err").find("iter_0000020 after 20 steps"), std::string::npos) << text("err");
    expect_same_files("whole/checkpoints/iter_0000040", "parts/checkpoints/iter_0000040");
    fs::remove_all(path("whole"));
  }
}

TEST_F(Resume, AfterKillsAtRandomInstantsOfSavesEndsWithTheSameBytesAndSaysWhatWasSkipped) {
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
    bool cleared = !was_left;  // what the last kill left is removed before the first save
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

TEST_F(Resume, ADamagedCheckpointIsSkippedAndSaid) {
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
