// For tests: a temporary folder, empty or a copy of a golden model, removed at the end.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace corral::safetensors {

inline const std::filesystem::path kModels = std::filesystem::path(CORRAL_SOURCE_DIR) / "tests/golden/models";

class ScratchFolder {
 public:
  explicit ScratchFolder(const std::string& model = "") {
    std::string name = testing::TempDir() + "corral-hf-XXXXXX";
    path_ = ::mkdtemp(name.data());
    if (!model.empty()) std::filesystem::copy(kModels / model, path_);
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << text;
}

inline void replace_once(const std::filesystem::path& path, const std::string& from, const std::string& to) {
  std::string text = text_of(path);
  const size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << path;
  write_text(path, text.replace(at, from.size(), to));
}

}  // namespace corral::safetensors
