// Writes a pair that is whole or not there.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "plugins/dataset/indexed/token_type.h"

namespace corral::indexed {

// Tokens go to PREFIX.bin.partial as they come; finish() puts both files on the disk and gives them their names, the index last. What is
// not finished is removed; where the process is killed, files that end in .partial are left, and the next one takes their place.
class PairWriter {
 public:
  // Throws Error (2) where a pair of that name is there, or another process is writing it.
  PairWriter(const std::string& prefix, const TokenType& type);
  ~PairWriter();
  PairWriter(const PairWriter&) = delete;
  PairWriter& operator=(const PairWriter&) = delete;

  const TokenType& type() const { return type_; }
  // Documents of one sequence each, their tokens as they go into the file. Throws NoSpace for a full disk, else Error (3).
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
