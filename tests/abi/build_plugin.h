// For tests: builds plugins from tests/abi/minimal_plugin.c with flags, and their manifests. A compile takes a tenth of a second.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace corral {

struct Ran {
  int code = -1;  // 128 + the number of a signal that ended the program
  std::string out, err;
};

// A folder of the test, removed at its end, with a shell that runs in it.
class Workshop {
 public:
  Workshop() : folder_(std::filesystem::path(testing::TempDir()) / ("corral_abi_" + std::to_string(getpid()))) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~Workshop() { std::filesystem::remove_all(folder_); }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  std::string path(const std::string& name = "") const { return (folder_ / name).string(); }
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  static std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  Ran run(const std::string& line) const {
    Ran ran;
    const int status = std::system(("cd " + path() + " && ( " + line + " ) >.out 2>.err").c_str());
    ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    ran.out = read(path(".out"));
    ran.err = read(path(".err"));
    return ran;
  }
  // Runs the program with this folder as a plugin folder.
  Ran corral(const std::string& words, const std::string& variables = "") const {
    return run(variables + " timeout 60 " CORRAL_BINARY_DIR "/bin/corral " + words);
  }

  // Builds plugins/precision/NAME.so with a compiler command and flags; `map` is the linker's version script. On failure the test fails and
  // the result is "".
  std::string build(const std::string& name, const std::string& flags = "", const std::string& compiler = "cc -std=c99",
                    const std::string& map = CORRAL_SOURCE_DIR "/sdk/cmake/plugin.map") const {
    constexpr const char* source = CORRAL_SOURCE_DIR "/tests/abi/minimal_plugin.c";
    const std::string so = path("plugins/precision/" + name + ".so");
    std::filesystem::create_directories(path("plugins/precision"));
    const Ran made =
        run(compiler + " -Wall -Wextra -Werror -O1 -shared -fPIC -fvisibility=hidden -I" CORRAL_SOURCE_DIR "/sdk/include -DNAME='\"" +
            name + "\"' " + source + " " + flags + " -Wl,--version-script=" + map + " -Wl,-z,now -o " + so);
    EXPECT_EQ(made.code, 0) << made.err;
    return made.code == 0 && manifest(name) ? so : "";
  }
  bool manifest(const std::string& name, const std::string& words = "") const {
    const std::string base = path("plugins/precision/" + name);
    const Ran made = run(CORRAL_BINARY_DIR "/sdk/corral-manifest --plugin " + base + ".so --out " + base +
                         ".manifest --kind precision --name " + name + " --version 1.2.3 --license MIT --abi 1.0 " + words);
    EXPECT_EQ(made.code, 0) << made.err;
    return made.code == 0;
  }

 private:
  std::filesystem::path folder_;
};

// The compiler command for minimal_plugin.c with the faults of faults.h.
inline const std::string kFaulty = "g++ -std=c++20 -x c++ -DFAULTS='\"" CORRAL_SOURCE_DIR "/tests/abi/faults.h\"'";

// The words of an evaluation of a golden model with this precision plugin.
inline std::string train_with(const Workshop& shop, const std::string& plugin) {
  shop.write("data.jsonl", "{\"input_ids\": [1, 5, 9, 13, 17, 21, 25, 29, 33, 37, 41, 45, 49, 53, 57, 61]}\n");
  return "eval --checkpoint " CORRAL_SOURCE_DIR "/tests/golden/models/llama3 --data data.jsonl --seq-length 16 --precision " + plugin;
}

}  // namespace corral
