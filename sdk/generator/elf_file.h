// Reads the facts that a 64-bit little-endian ELF shared object states about itself. The bytes may be hostile: every offset is checked
// before it is used.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace corral::elf {

// The file is not a shared object that this machine's loader could map; the text says why.
class Malformed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct VersionNeed {
  std::string library, version;
};

struct Export {
  std::string name;
  bool unique = false;  // GNU-unique: one instance for the whole process
};

struct Facts {
  uint16_t machine = 0;
  std::vector<std::string> needed;
  std::vector<std::string> run_path;       // DT_RUNPATH or DT_RPATH, split at colons
  std::vector<VersionNeed> version_needs;  // all of them
  std::vector<std::string> version_definitions;
  std::vector<Export> exports;
  uint32_t x86_levels = 0;
  uint64_t loaded_size = 0;  // size of loaded_bytes()
};

// Throws Malformed. Program headers, segments and section headers are checked against the file's size, so that mapping an accepted file
// never reads past its end.
Facts read(std::string_view file);
// Only checks headers and sizes.
void check_headers(std::string_view file);

// The part of the file that a process loads: the bytes of its PT_LOAD segments, with the header's section fields zeroed. `strip` and similar
// tools change none of these bytes. Throws Malformed.
std::string loaded_bytes(std::string_view file);

// For each library, the highest version of each family (the part before the last underscore).
std::vector<VersionNeed> highest(const std::vector<VersionNeed>& needs);
// Compares versions by number: GLIBCXX_3.4.9 is older than GLIBCXX_3.4.30.
bool older(std::string_view a, std::string_view b);

// A file mapped for reading. Throws std::system_error.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::string_view bytes() const { return {data_, size_}; }

 private:
  const char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace corral::elf
