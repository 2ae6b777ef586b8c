// Writes a pair that appears complete or not at all.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "plugins/dataset/indexed/token_type.h"

namespace corral::indexed {

// Tokens are written to PREFIX.bin.partial; finish() flushes both files and renames them, the index last. An unfinished pair is removed; a
// killed process leaves .partial files, which the next writer replaces.
class PairWriter {
 public:
  // Throws Error (2) if such a pair exists or another process is writing it.
  PairWriter(const std::string& prefix, const TokenType& type);
  ~PairWriter();
  PairWriter(const PairWriter&) = delete;
  PairWriter& operator=(const PairWriter&) = delete;

  const TokenType& type() const { return type_; }
  // Appends documents of one sequence each; `tokens` are in the file's format. Throws NoSpace if the disk is full, else Error (3).
  void add(const std::string& tokens, const std::vector<int32_t>& lengths);
  uint64_t documents() const { return lengths_.size(); }
  uint64_t bytes() const { return bytes_; }
  void finish();

 private:
  class File;
  [[noreturn]] void fail_to(const char* verb, const std::string& path, int error) const;
  void rename(const std::string& ending) const;

  const std::string prefix_;
  const TokenType& type_;
  int tokens_file_ = -1;
  bool finished_ = false;
  std::vector<int32_t> lengths_;
  uint64_t bytes_ = 0;
};

}  // namespace corral::indexed
