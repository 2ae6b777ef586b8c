// RUN/.lock: one living process at a time writes a run's directory.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <sstream>
#include <thread>

#include "tests/program/run_program.h"

namespace {
namespace fs = std::filesystem;

class RunLockProgram : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    rows(40);
  }
  std::string words(const std::string& steps, const std::string& more = "") const {
    return "pretrain --pretrained-checkpoint " + golden("llama3") + " --data " + (*this / "rows.jsonl") + " --dir " + (*this / "run") +
           " --train-iters " + steps +
           " --global-batch-size 2 --micro-batch-size 2 --seq-length 16 --precision fp32 --set device.threads=1 data.split=1 "
           "train.eval_interval=0 optimizer.lr_warmup_iters=0 train.log_interval=1 " +
           more;
  }
  pid_t start(const std::string& words, const std::string& err) const {
    const pid_t child = ::fork();
    if (child == 0) {
      const std::string command = "exec " CORRAL_BINARY_DIR "/bin/corral " + words + " 2>" + (*this / err);
      ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      ::_exit(127);
    }
    return child;
  }
  void wait_for(const std::string& text, const std::string& err) const {
    for (int i = 0; i < 1200 && text_of(*this / err).find(text) == std::string::npos; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ASSERT_NE(text_of(*this / err).find(text), std::string::npos) << text_of(*this / err);
  }
  static int code_of(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  // Whether the run in the directory is one process's work: verified checkpoints, and each step once in metrics.jsonl.
  void expect_whole() const {
    EXPECT_EQ(corral("verify " + (*this / "run")).code, 0);
    std::istringstream metrics(text_of(*this / "run/metrics.jsonl"));
    size_t number = 0;
    for (std::string line; std::getline(metrics, line);)
      EXPECT_NE(line.find("\"step\": " + std::to_string(++number) + ","), std::string::npos) << number << ": " << line;
    EXPECT_GT(number, 0u);
  }
  // Starts the same words twice: one process goes on until it is stopped, the other ends at once with one of the codes.
  void expect_one_of_two(const std::string& words) const {
    const pid_t both[] = {start(words, "err0"), start(words, "err1")};
    int status = 0;
    const pid_t refused = ::waitpid(-1, &status, 0);
    const size_t other = refused == both[0] ? 1 : 0;
    const std::string said = text_of(*this / ("err" + std::to_string(1 - other)));
    EXPECT_EQ(WEXITSTATUS(status), 3) << said;
    EXPECT_NE(said.find("in use by another process (pid " + std::to_string(both[other]) + " on "), std::string::npos) << said;
    wait_for("tokens/s", "err" + std::to_string(other));
    ::kill(both[other], SIGTERM);
    EXPECT_EQ(code_of(both[other]), 130) << text_of(*this / ("err" + std::to_string(other)));
    expect_whole();
    EXPECT_FALSE(fs::exists(*this / "run/.lock"));
  }
};

TEST_F(RunLockProgram, ASecondRunInTheDirectoryOfALivingOneIsRefusedByPidHostAndStart) {
  const pid_t child = start(words("1000000"), "err");
  wait_for("tokens/s", "err");
  for (const char* more : {"", "--resume"}) {
    const Shown shown = corral(words("5", more));
    EXPECT_EQ(shown.code, 3) << shown.err;
    char host[256] = "";
    ::gethostname(host, sizeof host - 1);
    EXPECT_NE(shown.err.find("pid " + std::to_string(child) + " on " + host + ", started 20"), std::string::npos) << shown.err;
  }
  ::kill(child, SIGTERM);
  EXPECT_EQ(code_of(child), 130);
  expect_whole();
}

TEST_F(RunLockProgram, OfTwoFreshRunsInTheSameSecondOneGoesOn) { expect_one_of_two(words("1000000")); }

TEST_F(RunLockProgram, OfTwoResumedRunsOneGoesOn) {
  ASSERT_EQ(corral(words("2")).code, 0);
  expect_one_of_two(words("1000000", "--resume"));
}

TEST_F(RunLockProgram, TheLockOfAKilledProcessIsTakenOverAndSaid) {
  ASSERT_EQ(corral(words("2")).code, 0);
  EXPECT_FALSE(fs::exists(*this / "run/.lock"));
  const pid_t child = start(words("1000000", "--resume"), "err");
  wait_for("tokens/s", "err");
  ::kill(child, SIGKILL);
  code_of(child);
  EXPECT_TRUE(fs::exists(*this / "run/.lock"));
  const Shown shown = corral(words("4", "--resume"));
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_NE(shown.err.find("its process has ended without removing it (pid " + std::to_string(child) + " on "), std::string::npos)
      << shown.err;
}

TEST_F(RunLockProgram, ALinkInPlaceOfTheLockIsNotFollowed) {
  fs::create_directory(*this / "run");
  write_text(*this / "precious", "all that I have");
  fs::create_symlink(*this / "precious", *this / "run/.lock");
  EXPECT_EQ(corral(words("2")).code, 3);
  EXPECT_EQ(text_of(*this / "precious"), "all that I have");
}

}  // namespace
