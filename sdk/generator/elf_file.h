// Reads what a 64-bit little-endian ELF shared object says of itself, from bytes that may be anything: every offset is checked before it is
// followed.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace corral::elf {

// The file is no shared object that this machine's loader could map; the text says what is wrong with it.
class Malformed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct VersionNeed {
  std::string library, version;
};

struct Export {
  std::string name;
  bool unique = false;  // GNU-unique: shared by all objects of the process
};

struct Facts {
  uint16_t machine = 0;
  std::vector<std::string> needed;
  std::vector<std::string> run_path;       // DT_RUNPATH or DT_RPATH, cut at colons
  std::vector<VersionNeed> version_needs;  // every one
  std::vector<std::string> version_definitions;
  std::vector<Export> exports;
  uint32_t x86_levels = 0;
  uint64_t loaded_size = 0;  // of loaded_bytes
};

// Throws Malformed. Program headers, segments and section headers are held against `file`'s size first: whatever passes, mapping it cannot
// run beyond the file's end.
Facts read(std::string_view file);
// Only the checks of headers and sizes.
void check_headers(std::string_view file);

// What of the file a process gets: the bytes of its PT_LOAD segments, the header's fields on sections zeroed. `strip` and its kin change
// no other of these bytes. Throws Malformed.
std::string loaded_bytes(std::string_view file);

// The highest of each family (the part before the last underscore) for each library.
std::vector<VersionNeed> highest(const std::vector<VersionNeed>& needs);
// Compares GLIBCXX_3.4.9 and GLIBCXX_3.4.30 by number.
bool older(std::string_view a, std::string_view b);

// A file mapped for reading; empty where it is empty. Throws std::system_error.
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
