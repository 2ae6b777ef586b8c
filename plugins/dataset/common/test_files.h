// For tests: a temporary folder, removed at the end.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace corral::data {

class TestFiles {
 public:
  TestFiles() {
    static int number = 0;
    folder_ = std::filesystem::temp_directory_path() / ("corral-data-" + std::to_string(::getpid()) + "-" + std::to_string(number++));
    std::filesystem::create_directories(folder_);
  }
  ~TestFiles() { std::filesystem::remove_all(folder_); }
  std::string folder() const { return folder_.string(); }
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return (folder_ / name).string();
  }

 private:
  std::filesystem::path folder_;
};

template <class F>
std::string message_of(F body) {
  try {
    body();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace corral::data
