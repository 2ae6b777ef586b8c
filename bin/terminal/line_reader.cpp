#include "bin/terminal/line_reader.h"

#include <editline/readline.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

namespace corral::cli {
namespace {
constexpr int kLongestHistory = 1000;
}

LineReader::LineReader(std::string prompt, std::string file)
    : prompt_(std::move(prompt)), file_(std::move(file)), interactive_(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
  if (!interactive_) return;
  using_history();
  stifle_history(kLongestHistory);
  if (file_.empty()) return;
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(file_).parent_path(), ignored);
  read_history(file_.c_str());
}

std::optional<std::string> LineReader::next() {
  std::string line;
  if (!interactive_) return std::getline(std::cin, line) ? std::optional(line) : std::nullopt;
  char* typed = readline(prompt_.c_str());
  if (!typed) return std::nullopt;
  line = typed;
  std::free(typed);
  if (line.empty()) return line;
  add_history(line.c_str());
  // Written at once, because Ctrl-C at the prompt ends the program.
  if (!file_.empty()) write_history(file_.c_str());
  return line;
}

}  // namespace corral::cli
