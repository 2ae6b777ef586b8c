// Reads a user's lines: with editing and history at a terminal, else unchanged from standard input.
#pragma once

#include <optional>
#include <string>

namespace corral::cli {

class LineReader {
 public:
  // `prompt` is shown at a terminal. The history is loaded from `file`; each line is stored there at once.
  LineReader(std::string prompt, std::string file);
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  bool interactive() const { return interactive_; }
  // The next line; empty at the end of the input.
  std::optional<std::string> next();

 private:
  std::string prompt_, file_;
  bool interactive_;
};

}  // namespace corral::cli
