// For tests: runs that are killed, and comparison of their files.
#pragma once

#include <fcntl.h>

#include <chrono>
#include <csignal>
#include <sstream>
#include <thread>

#include "tests/golden_runs/golden_runs.h"

namespace corral {

class KilledRuns : public GoldenRuns {
 protected:
  // Starts the program as a child that the test can kill.
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

  // Waits until `when` holds and `after` more, then kills the child; false if the child ended before.
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

  // Trains once in the folder "whole". Trains again in "parts", where the run is killed after the save at half of `steps` and resumed. Both
  // must end with the same bytes. `words(folder)` is the command of a run.
  template <class Words>
  void expect_same_after_a_kill(const std::string& command, const Words& words, int steps) {
    const std::string middle = "/checkpoints/" + iteration(steps / 2), end = "/checkpoints/" + iteration(steps);
    ASSERT_EQ(corral(words("whole")), 0) << text("err");
    whole_said_ = text("err");
    bool killed = false;
    for (int attempt = 0; attempt < 10 && !killed; ++attempt) {
      fs::remove_all(path("parts"));
      killed = kill_once(start(words("parts")), [&] { return fs::exists(path("parts") + middle); }, {});
    }
    ASSERT_TRUE(killed) << "it was too fast, ten times";
    ASSERT_FALSE(fs::exists(path("parts") + end));
    ASSERT_EQ(corral(command + " --resume --dir " + path("parts")), 0) << text("err");
    EXPECT_NE(text("err").find(iteration(steps / 2) + " after " + std::to_string(steps / 2) + " steps"), std::string::npos) << text("err");
    expect_same_files("whole" + end, "parts" + end);
    fs::remove_all(path("whole"));
    fs::remove_all(path("parts"));
  }
  std::string whole_said_;  // standard error of the run that was not killed

  static std::string iteration(int step) {
    const std::string digits = std::to_string(step);
    return "iter_" + std::string(7 - digits.size(), '0') + digits;
  }

  // The iteration of the newest whole checkpoint, or 0.
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

}  // namespace corral
