#include "kernel/plugin/machine.h"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <system_error>

#include "corral/x86_level.h"
#include "elf_file.h"

namespace corral {

uint16_t machine_of_host() {
#if defined(__x86_64__)
  return EM_X86_64;
#elif defined(__aarch64__)
  return EM_AARCH64;
#else
#error "Corral knows no ELF machine number for this processor"
#endif
}

std::string machine_name(uint32_t machine) {
  switch (machine) {
    case EM_X86_64:
      return "x86-64";
    case EM_AARCH64:
      return "aarch64";
    case EM_386:
      return "x86 (32-bit)";
    case EM_RISCV:
      return "RISC-V";
    default:
      return "machine number " + std::to_string(machine);
  }
}

std::string lacking_level(uint32_t x86_levels) {
  static const char* const kNames[] = {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"};
  for (int bit = 31; bit >= 0; --bit) {
    if (!(x86_levels >> bit & 1)) continue;
    if (bit > 3) return "an x86-64 level that this Corral does not know (bit " + std::to_string(bit) + ")";
    if (!has_x86_level(bit + 1)) return kNames[bit];
  }
  return "";
}

namespace {

void split_paths(const char* paths, std::vector<std::string>& to) {
  for (std::string_view rest = paths ? paths : ""; !rest.empty();) {
    const size_t end = std::min(rest.find(':'), rest.size());
    if (end > 0) to.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

std::string with_origin(std::string path, const std::string& origin) {
  for (const char* word : {"${ORIGIN}", "$ORIGIN"})
    for (size_t at = path.find(word); at != std::string::npos; at = path.find(word, at + origin.size()))
      path.replace(at, std::strlen(word), origin);
  return path;
}

uint32_t word_at(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  if (at + 4 <= bytes.size()) std::memcpy(&value, bytes.data() + at, 4);
  return value;
}

std::string text_at(std::string_view bytes, size_t at) {
  if (at >= bytes.size()) return "";
  const std::string_view rest = bytes.substr(at);
  return std::string(rest.substr(0, std::min(rest.find('\0'), rest.size())));
}

}  // namespace

Libraries::Libraries() {
  split_paths(std::getenv("LD_LIBRARY_PATH"), folders_before_);
  folders_after_ = {"/lib", "/usr/lib", "/lib64", "/usr/lib64"};
  try {
    read_cache("/etc/ld.so.cache");
  } catch (const std::system_error&) {
    // No cache: the folders remain.
  }
}

// The format of glibc 2.2 and later: a header of 48 bytes, entries of 24 bytes, strings counted from the header.
void Libraries::read_cache(const std::string& file) {
  static constexpr std::string_view kMagic = "glibc-ld.so.cache1.1";
  static constexpr size_t kHeader = 48, kEntry = 24;
  const elf::MappedFile mapped(file);
  const size_t begin = mapped.bytes().find(kMagic);
  if (begin == std::string_view::npos) return;
  const std::string_view cache = mapped.bytes().substr(begin);
  const size_t count = std::min<size_t>(word_at(cache, kMagic.size()), cache.size() / kEntry);
  for (size_t i = 0; i < count; ++i) {
    const size_t entry = kHeader + i * kEntry;
    cache_.emplace(text_at(cache, word_at(cache, entry + 4)), text_at(cache, word_at(cache, entry + 8)));
  }
}

bool Libraries::fits(const std::string& path) {
  const auto [known, added] = versions_.try_emplace(path);
  if (!added) return known->second.has_value();
  if (access(path.c_str(), R_OK) != 0) return false;
  try {
    const elf::MappedFile file(path);
    elf::Facts facts = elf::read(file.bytes());
    if (facts.machine == machine_of_host()) known->second = std::move(facts.version_definitions);
  } catch (const std::exception&) {
    // Not usable, as for the loader.
  }
  return known->second.has_value();
}

std::string Libraries::find(const std::string& name, const std::vector<std::string>& run_path, const std::string& origin) {
  if (name.find('/') != std::string::npos) return fits(name) ? name : "";
  const auto in = [&](const std::string& folder) {
    const std::string path = folder + "/" + name;
    return fits(path) ? path : std::string();
  };
  for (const std::string& folder : run_path)
    if (const std::string path = in(with_origin(folder, origin)); !path.empty()) return path;
  for (const std::string& folder : folders_before_)
    if (const std::string path = in(folder); !path.empty()) return path;
  for (auto [at, end] = cache_.equal_range(name); at != end; ++at)
    if (fits(at->second)) return at->second;
  for (const std::string& folder : folders_after_)
    if (const std::string path = in(folder); !path.empty()) return path;
  return "";
}

bool Libraries::has_version(const std::string& path, const std::string& version) {
  if (!fits(path)) return false;
  const std::vector<std::string>& all = *versions_[path];
  return all.empty() || std::find(all.begin(), all.end(), version) != all.end();
}

}  // namespace corral
