// Lines of a user: with editing and history at a terminal, else as they stand in the input.
#pragma once

#include <optional>
#include <string>

namespace corral::cli {

class LineReader {
 public:
  // `prompt` is shown at a terminal. The history of `file` is there from the start; each line is kept in it at once.
  LineReader(std::string prompt, std::string file);
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  bool interactive() const { return interactive_; }
  // Empty at the end of the input.
  std::optional<std::string> next();

 private:
  std::string prompt_, file_;
  bool interactive_;
};

}  // namespace corral::cli
