// The parts of this machine that a shared object needs: processor level, libraries, versions of their symbols. Loads nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace corral {

// e_machine of this program.
uint16_t machine_of_host();
// The name of a processor, such as "x86-64" or "aarch64"; the number if it is unknown.
std::string machine_name(uint32_t machine);

// The highest level of GNU_PROPERTY_X86_ISA_1_NEEDED bits that this processor lacks ("x86-64-v4"), or "".
std::string lacking_level(uint32_t x86_levels);

// Finds libraries as the loader would: the object's run path, LD_LIBRARY_PATH, the loader's cache, the standard folders.
class Libraries {
 public:
  Libraries();
  // Path of the library, or "". $ORIGIN in `run_path` is replaced by `origin`.
  std::string find(const std::string& name, const std::vector<std::string>& run_path, const std::string& origin);
  // False if the library at `path` lists the versions of its symbols and this version is not among them.
  bool has_version(const std::string& path, const std::string& version);

 private:
  bool fits(const std::string& path);  // a shared object of this machine
  void read_cache(const std::string& file);

  std::multimap<std::string, std::string> cache_;
  std::vector<std::string> folders_before_, folders_after_;
  std::map<std::string, std::optional<std::vector<std::string>>> versions_;  // by path; none: not usable
};

}  // namespace corral
