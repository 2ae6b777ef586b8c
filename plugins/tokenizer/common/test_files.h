// Shared helpers of the tests.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "corral/utf8.h"
#include "plugins/tokenizer/common/encoder.h"
#include "plugins/tokenizer/common/folder.h"

namespace corral::tokenizer {

inline const std::string kGolden = CORRAL_SOURCE_DIR "/tests/golden/tokenizer";

inline std::vector<int32_t> ids_of(const Encoder& encoder, std::string_view text, EncodeOptions options = {}) {
  std::vector<int32_t> ids(text.size() + kMostAround);
  IdWriter out(ids.data(), ids.size());
  encoder.encode(text, options, out);
  ids.resize(out.count());
  return ids;
}

inline std::string text_of(const Encoder& encoder, const std::vector<int32_t>& ids) {
  std::string bytes;
  for (const int32_t id : ids) bytes += encoder.bytes_of(id, false);
  return replace_invalid_utf8(bytes);
}

template <class F>
std::string message_of(F body) {
  try {
    body();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "no error";
}

// A temporary folder, removed at the end.
class ScratchFolder {
 public:
  ScratchFolder() {
    static int number = 0;
    path_ = std::filesystem::temp_directory_path() / ("corral-tokenizer-" + std::to_string(::getpid()) + "-" + std::to_string(number++));
    std::filesystem::create_directories(path_);
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  std::string path(const std::string& name = "") const { return (path_ / name).string(); }
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path(name);
  }

 private:
  std::filesystem::path path_;
};

}  // namespace corral::tokenizer
