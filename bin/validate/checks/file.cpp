// Checks of the file and its manifest. Nothing is loaded.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "bin/validate/check.h"
#include "corral/error.h"
#include "elf_file.h"
#include "manifest.wire.h"
#include "sha256.h"

namespace corral::validate {
namespace {
namespace fs = std::filesystem;

struct File {
  explicit File(const Subject& s) : mapped(s.info.path), facts(elf::read(mapped.bytes())) {
    std::ifstream in(fs::path(s.info.path).replace_extension(".manifest"), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(in), {});
    manifest = Manifest::decode(bytes.data(), bytes.size());
  }
  elf::MappedFile mapped;
  elf::Facts facts;
  Manifest manifest;
};

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : ", ") + word;
  return all;
}

Outcome one_export(const Subject& s) {
  const File file(s);
  std::vector<std::string> others;
  for (const elf::Export& e : file.facts.exports)
    if (e.name != "corral_plugin") others.push_back(e.name);
  if (!others.empty()) return failed("it also exports " + joined(others));
  return pass();
}

Outcome none_unique(const Subject& s) {
  const File file(s);
  for (const elf::Export& e : file.facts.exports)
    if (e.unique)
      return failed(e.name + " is shared by all objects of the process and keeps the plugin loaded: compile with -fno-gnu-unique");
  return pass();
}

Outcome manifest_equals_file(const Subject& s) {
  const File file(s);
  const Manifest& m = file.manifest;
  std::vector<std::string> exports, needs, said;
  for (const elf::Export& e : file.facts.exports) exports.push_back(e.name);
  for (const auto& need : elf::highest(file.facts.version_needs)) needs.push_back(need.library + " " + need.version);
  for (const auto& need : m.symbol_versions) said.push_back(need.library + " " + need.version);
  if (m.sha256 != sha256(elf::loaded_bytes(file.mapped.bytes())))
    return failed("its SHA-256 is not that of the manifest: the file was changed after it was built");
  if (m.needed_libraries != file.facts.needed)
    return failed("it needs " + joined(file.facts.needed) + "; its manifest says " + joined(m.needed_libraries));
  if (needs != said) return failed("it needs " + joined(needs) + "; its manifest says " + joined(said));
  if (m.x86_levels != file.facts.x86_levels || m.machine != file.facts.machine)
    return failed("it is built for another processor than its manifest says");
  if (m.exports != exports) return failed("it exports " + joined(exports) + "; its manifest says " + joined(m.exports));
  return pass();
}

Outcome symbol_versions(const Subject& s) {
  const File file(s);
  std::string glibc, others;
  for (const elf::VersionNeed& need : elf::highest(file.facts.version_needs))
    if (!need.version.starts_with("GLIBC_"))
      others += ", " + need.library + " with " + need.version;
    else if (glibc.empty() || elf::older(glibc, need.version))
      glibc = need.version;
  return pass("loads on glibc " + (glibc.empty() ? "of any version" : "≥ " + glibc.substr(6)) + others);
}

Outcome scanned_fast(const Subject& s) {
  Libraries libraries;
  const auto begin = std::chrono::steady_clock::now();
  examine(s.info.path, libraries);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return seconds < 0.1 ? pass() : warn(format("it took {} ms: less than 100 is usual", static_cast<int>(seconds * 1e3)));
}

constexpr Check kChecks[] = {
    {"file.one-export", "`corral_plugin` is its only exported symbol", one_export},
    {"file.no-unique-symbol", "it has no symbol that the whole process shares", none_unique},
    {"file.manifest", "its manifest agrees with the file", manifest_equals_file},
    {"file.symbol-versions", "the versions of the symbols it needs are known", symbol_versions},
    {"file.scan", "it is examined without loading in less than 100 ms", scanned_fast},
};

}  // namespace

std::span<const Check> checks_file();
std::span<const Check> checks_file() { return kChecks; }

}  // namespace corral::validate
