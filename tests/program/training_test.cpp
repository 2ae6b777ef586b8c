// A training run as its user sees it: banner, log lines, samples, signals, files.
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/program/run_program.h"
#include "tests/program/terminal.h"

namespace {
namespace fs = std::filesystem;

class TrainingProgram : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    for (const int signal : {SIGHUP, SIGPIPE}) ::signal(signal, SIG_DFL);  // the tests themselves may run under nohup
    std::string rows;
    for (int i = 0; i < 60; ++i) rows += "{\"text\": \"the cat number " + std::to_string(i * 7 % 60) + " sat on the mat\"}\n";
    write_text(*this / "data.jsonl", rows);
  }

  // The command line of a small run.
  std::string words(const std::string& steps, const std::string& more = "") const {
    return "pretrain --recipe llama32_1b_pretrain_config --tokenizer " + golden("llama3") + " --data " + (*this / "data.jsonl") +
           " --train-iters " + steps +
           " --global-batch-size 2 --micro-batch-size 2 --seq-length 16 --precision fp32 --set device.threads=1 data.split=1 "
           "train.eval_interval=0 "
           "optimizer.lr_warmup_iters=0 train.log_interval=5 tracker.plugins= model.num_hidden_layers=1 model.hidden_size=16 "
           "model.intermediate_size=16 model.num_attention_heads=2 model.num_key_value_heads=1 model.head_dim=8 " +
           more;
  }
  static std::vector<std::string> lines_with(const std::string& text, const std::string& part) {
    std::vector<std::string> found;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);)
      if (line.find(part) != line.npos) found.push_back(line);
    return found;
  }

  // Starts a long run, with `before` in front of it in the shell, and waits for its first log line.
  pid_t start(const std::string& run, const std::string& before = "") const {
    fs::remove(*this / "err");
    const pid_t child = ::fork();
    if (child == 0) {
      const std::string command =
          before + "exec " CORRAL_BINARY_DIR "/bin/corral " + words("1000000", "--dir " + run) + " 2>" + (*this / "err");
      ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      ::_exit(127);
    }
    await_step(5);
    return child;
  }
  void await_step(int step) const {
    const std::string line = "step " + std::to_string(step) + "/";
    for (int i = 0; i < 600 && text_of(*this / "err").find(line) == std::string::npos; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  // Expects that a stopped run saved its steps and can be resumed.
  void expect_saved(const std::string& run) const {
    const int step = std::atoi(text_of(run + "/checkpoints/latest_checkpointed_iteration.txt").c_str());
    EXPECT_GE(step, 5) << text_of(run + "/log.txt");
    EXPECT_EQ(lines_with(text_of(run + "/log.txt"), "stopped: saved; continue with --resume").size(), 1u);
    const Shown resumed = corral("pretrain --dir " + run + " --resume --train-iters " + std::to_string(step + 1));
    EXPECT_EQ(resumed.code, 0) << resumed.err;
  }
  static int wait(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

TEST_F(TrainingProgram, SaysTokensPerStepTheTimeOfTheWholeRunAndALinePerLogInterval) {
  const Shown shown = corral(words("12", "--dir " + (*this / "run")));
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_EQ(shown.out, "");
  EXPECT_EQ(lines_with(shown.err, ": 2 sequences x 16 = 32 tokens a step, 12 steps, fp32 on cpu").size(), 1u) << shown.err;
  EXPECT_EQ(lines_with(shown.err, "the whole run takes about ").size(), 1u) << shown.err;
  const auto steps = lines_with(shown.err, "tokens/s");
  ASSERT_EQ(steps.size(), 3u) << shown.err;  // steps 5, 10 and 12
  for (const char* part : {"step 5/12", "loss ", "lr ", "grad norm ", "ETA "})
    EXPECT_NE(steps[0].find(part), std::string::npos) << steps[0];
  EXPECT_EQ(shown.err.find('\r'), std::string::npos) << "a live line without a terminal";
  EXPECT_EQ(lines_with(text_of(*this / "run/log.txt"), "tokens a step").size(), 1u);
}

// A terminal of some columns: the bytes sent to it, and the rows that it shows in the end.
struct Screen {
  std::string sent;
  std::vector<std::string> rows{""};

  explicit Screen(size_t columns) : columns_(columns) {}
  void show(std::string_view bytes) {
    sent += bytes;
    for (const char c : bytes) {
      if (c == '\r') {
        column_ = 0;
      } else if (c == '\n') {
        rows.emplace_back();
      } else {
        if (column_ == columns_) {
          rows.emplace_back();
          column_ = 0;
        }
        if (rows.back().size() <= column_) rows.back().resize(column_ + 1, ' ');
        rows.back()[column_++] = c;
      }
    }
  }
  size_t rows_with(const std::string& begin) const {
    return static_cast<size_t>(std::count_if(rows.begin(), rows.end(), [&](const std::string& row) { return row.starts_with(begin); }));
  }

 private:
  size_t columns_, column_ = 0;
};

Screen at_a_terminal(const std::string& command, unsigned short columns) {
  const auto [sent, code] = corral::Terminal(command, columns).end();
  EXPECT_EQ(code, 0) << sent;
  Screen screen(columns);
  screen.show(sent);
  return screen;
}

TEST_F(TrainingProgram, AtATerminalOneLiveLineIsWrittenOverAndTheLogIntervalsStay) {
  for (const unsigned short columns : {200, 50}) {
    const std::string run = *this / std::to_string(columns);
    const Screen screen = at_a_terminal(CORRAL_BINARY_DIR "/bin/corral " + words("12", "--dir " + run), columns);
    for (int step = 1; step <= 12; ++step) {
      const std::string begin = "step " + std::to_string(step) + "/12";
      const bool logged = step == 5 || step == 10 || step == 12;
      EXPECT_NE(screen.sent.find("\r" + begin), std::string::npos) << begin << "\n" << screen.sent;
      EXPECT_EQ(screen.rows_with(begin), logged ? 1u : 0u) << begin << " at " << columns << " columns\n" << screen.sent;
    }
    EXPECT_EQ(lines_with(text_of(run + "/log.txt"), "tokens/s").size(), 3u);
    EXPECT_EQ(text_of(run + "/log.txt").find('\r'), std::string::npos);
  }
}

TEST_F(TrainingProgram, WritesTheSameSamplesEveryTimeAndTheyDoNotChangeTheWeights) {
  const std::string sample = " --sample-interval 4 --sample-prompt 'the cat'";
  for (const std::string run : {"a", "b"}) ASSERT_EQ(corral(words("8", sample + " --dir " + (*this / run))).code, 0);
  ASSERT_EQ(corral(words("8", "--dir " + (*this / "c"))).code, 0);
  const auto samples = lines_with(text_of(*this / "a/log.txt"), "sample: ");
  ASSERT_EQ(samples.size(), 2u) << text_of(*this / "a/log.txt");
  EXPECT_EQ(samples[0].rfind("step 4  sample: the cat", 0), 0u) << samples[0];
  EXPECT_EQ(samples, lines_with(text_of(*this / "b/log.txt"), "sample: "));
  const std::string weights = "/checkpoints/iter_0000008/model.safetensors";
  EXPECT_TRUE(text_of((*this / "a") + weights) == text_of((*this / "c") + weights));
}

TEST_F(TrainingProgram, ASampleNeedsATokenizer) {
  write_text(*this / "data.jsonl", "{\"input_ids\": [1, 2, 3]}\n");
  std::string command = words("2", "--sample-interval 1 model.vocab_size=16 --dir " + (*this / "run"));
  command.replace(command.find("--tokenizer "), ("--tokenizer " + golden("llama3")).size(), "");
  command.replace(command.find("model.vocab_size=16 "), 20, "--set model.vocab_size=16 ");
  const Shown shown = corral(command);
  EXPECT_EQ(shown.code, 2);
  EXPECT_NE(shown.err.find("--tokenizer PATH"), std::string::npos) << shown.err;
  EXPECT_FALSE(fs::exists(*this / "run"));
}

TEST_F(TrainingProgram, ARunThatDivergesEndsNamingTheStepAndARemedyAndSavesNothing) {
  const Shown shown = corral(words("5", "optimizer.clip_grad=0 model.initializer_range=1e30 --dir " + (*this / "run")));
  EXPECT_EQ(shown.code, 2);
  EXPECT_EQ(lines_with(shown.err, "error: step 1: the ").size(), 1u) << shown.err;
  EXPECT_NE(shown.err.find("training has diverged at lr "), std::string::npos) << shown.err;
  EXPECT_NE(shown.err.find("begin anew with a lower optimizer.lr"), std::string::npos) << shown.err;
  EXPECT_FALSE(fs::exists(*this / "run/checkpoints"));
}

TEST_F(TrainingProgram, ASignalEndsTheRunAfterItsStepWithASaveThatCanBeResumed) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) {
    const std::string run = *this / std::to_string(signal);
    const pid_t child = start(run);
    ::kill(child, signal);
    EXPECT_EQ(wait(child), 130) << signal;
    expect_saved(run);
  }
}

TEST_F(TrainingProgram, AReaderThatLeavesEndsTheRunAfterItsStepSavedAndResumable) {
  const std::string run = *this / "run", command = "{ " CORRAL_BINARY_DIR "/bin/corral " + words("1000000", "--dir " + run) +
                                                   " 2>&1; echo $? >" + (*this / "code") + "; } | head -n 4 >" + (*this / "head");
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(text_of(*this / "code"), "130\n");
  EXPECT_EQ(lines_with(text_of(*this / "head"), "").size(), 4u);
  expect_saved(run);
}

TEST_F(TrainingProgram, AWarningMayComeAgainWhileTheRunEndsByIt) {
  const std::string run = *this / "run";
  const pid_t child = start(run);
  ::kill(child, SIGSTOP);
  for (const int signal : {SIGHUP, SIGUSR1, SIGTERM}) ::kill(child, signal);
  ::kill(child, SIGCONT);
  EXPECT_EQ(wait(child), 130);
  expect_saved(run);
}

TEST_F(TrainingProgram, UnderNohupARunOutlivesItsTerminal) {
  const std::string run = *this / "run";
  const pid_t child = start(run, "trap '' HUP; ");
  ::kill(child, SIGHUP);
  const size_t said = lines_with(text_of(*this / "err"), "tokens/s").size();
  await_step(static_cast<int>(5 * (said + 20)));
  EXPECT_EQ(::waitpid(child, nullptr, WNOHANG), 0) << text_of(*this / "err");
  ::kill(child, SIGTERM);
  EXPECT_EQ(wait(child), 130);
}

TEST_F(TrainingProgram, ASecondSignalEndsItAtOnce) {
  const pid_t child = start(*this / "run");
  // While the process is stopped, the first signal stays pending until the second one has come.
  ::kill(child, SIGSTOP);
  ::kill(child, SIGINT);
  ::kill(child, SIGTERM);
  ::kill(child, SIGCONT);
  EXPECT_EQ(wait(child), 130);
  EXPECT_FALSE(fs::exists(*this / "run/checkpoints/latest_checkpointed_iteration.txt"));
}

TEST_F(TrainingProgram, ARunDirectoryHasEveryLoggedStepOnceEvenAfterAKillAndAResume) {
  const std::string run = *this / "run";
  std::string command = words("6", "train.save_interval=2 --dir " + run);
  for (const auto& [from, to] : {std::pair{"tracker.plugins= ", ""},
                                 {"data.split=1 ", "data.split=80,20,0 "},
                                 {"train.eval_interval=0 ", "train.eval_interval=3 train.eval_iters=2 "},
                                 {"train.log_interval=5 ", "train.log_interval=1 "}})
    command.replace(command.find(from), std::strlen(from), to);
  ASSERT_EQ(corral(command).code, 0);
  // The state after a kill in step 7, when the save of step 6 had not finished.
  fs::remove_all(run + "/checkpoints/iter_0000006");
  write_text(run + "/metrics.jsonl", text_of(run + "/metrics.jsonl") + "{\"step\": 7, \"lo");
  const Shown resumed = corral("pretrain --resume --train-iters 8 --dir " + run);
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("after 4 steps"), std::string::npos) << resumed.err;

  std::vector<int> steps, evaluated;
  std::istringstream metrics(text_of(run + "/metrics.jsonl"));
  for (std::string line; std::getline(metrics, line);) {
    const nlohmann::json row = nlohmann::json::parse(line);
    char digits[40];
    const char* key = row.contains("loss") ? "loss" : "eval_loss";
    std::snprintf(digits, sizeof digits, "\"%s\": %.17g", key, row[key].get<double>());
    EXPECT_NE(line.find(digits), std::string::npos) << line << " lacks " << digits;
    (row.contains("loss") ? steps : evaluated).push_back(row["step"]);
    if (!row.contains("loss")) continue;
    for (const char* other : {"lr", "grad_norm", "tokens", "tokens_per_second", "seconds"}) EXPECT_TRUE(row.contains(other)) << line;
  }
  EXPECT_EQ(steps, (std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(evaluated, (std::vector<int>{3, 6}));
  std::string events;
  for (const auto& entry : fs::directory_iterator(run + "/tensorboard")) events += text_of(entry.path());
  for (const char* name : {"loss", "lr", "grad_norm", "tokens_per_second", "eval_loss"})
    EXPECT_NE(events.find(name), std::string::npos) << name;
  EXPECT_EQ(text_of(run + "/checkpoints/latest_checkpointed_iteration.txt").substr(0, 1), "8");
  for (const char* file :
       {"config.textproto", "log.txt", "checkpoints/iter_0000008/model.safetensors", "checkpoints/iter_0000008/config.json",
        "checkpoints/iter_0000008/generation_config.json", "checkpoints/iter_0000008/tokenizer.json",
        "checkpoints/iter_0000008/state/optimizer.safetensors", "checkpoints/iter_0000008/MANIFEST.json"})
    EXPECT_TRUE(fs::is_regular_file(run + "/" + file)) << file;
}

TEST_F(TrainingProgram, RunsWithoutADirectoryGoBelowSaveDir) {
  const Shown shown = corral(words("1", "--name mine"), "SAVE_DIR=" + (*this / "saved") + " ");
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_TRUE(fs::exists(*this / "saved/mine/config.textproto"));
}

TEST_F(TrainingProgram, EvaluationPrintsBitsPerByteBesideThoseOfTokenFrequenciesAlone) {
  ASSERT_EQ(corral(words("3", "--dir " + (*this / "run"))).code, 0);
  const Shown shown =
      corral("eval --json --checkpoint " + (*this / "run") + " --seq-length 16 --set device.threads=1 --data " + (*this / "data.jsonl"));
  ASSERT_EQ(shown.code, 0) << shown.err;
  const nlohmann::json all = nlohmann::json::parse(shown.out);
  EXPECT_NEAR(all["bits_per_byte"].get<double>() / all["unigram_bits_per_byte"].get<double>(),
              all["loss"].get<double>() / all["unigram_loss"].get<double>(), 1e-9);
  EXPECT_GT(all["unigram_bits_per_byte"].get<double>(), 0.5);
  // Bits per byte divides the bits of all targets by the bytes of the texts, without those of the first token, which is not a target.
  double bytes = 0;
  for (const std::string& row : lines_with(text_of(*this / "data.jsonl"), "text"))
    bytes += static_cast<double>(nlohmann::json::parse(row)["text"].get<std::string>().size());
  const double counted = all["loss"].get<double>() * all["targets"].get<double>() / std::log(2.0) / all["bits_per_byte"].get<double>();
  EXPECT_LE(counted, bytes);
  EXPECT_GE(counted, bytes - 10);
}

}  // namespace
