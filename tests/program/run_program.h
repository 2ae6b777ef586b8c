// For tests: runs the program through the shell, in a folder that is removed at the end of the test.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

struct Shown {
  int code = -1;
  std::string out, err;
};

inline std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << text;
}

// Runs `corral WORDS` through the shell; its output stays in the files `out` and `err`. `words` may contain redirections; `before` is shell
// text in front of the program: "HOME=/x ". The exit code is -1 after a signal.
inline Shown run_program(const std::string& words, const std::string& out, const std::string& err, const std::string& before = "") {
  const int status = std::system((before + CORRAL_BINARY_DIR "/bin/corral >" + out + " 2>" + err + " " + words).c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(out), text_of(err)};
}

class ProgramTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "corral-program-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string operator/(const std::string& name) const { return (folder_ / name).string(); }
  static std::string golden(const std::string& model) { return CORRAL_SOURCE_DIR "/tests/golden/models/" + model; }

  // Writes a file of `count` rows, each 16 token ids below `ids`; returns its path.
  std::string rows(size_t count, size_t ids = 97) const {
    std::string text;
    for (size_t r = 0; r < count; ++r) {
      text += "{\"input_ids\": [1";
      for (size_t i = 1; i < 16; ++i) text += ", " + std::to_string((r * 37 + i * i * 11 + 3) % ids);
      text += "]}\n";
    }
    write_text(*this / "rows.jsonl", text);
    return *this / "rows.jsonl";
  }

  Shown corral(const std::string& words, const std::string& before = "") const {
    return run_program(words, *this / ".out", *this / ".err", before);
  }

  std::filesystem::path folder_;
};
