// Writes the manifest of a plugin: the facts known to the build, and those measured from the file.
//   corral-manifest --plugin X.so --out X.manifest --kind K --name N --version V --license L --abi 1.0
//                   [--options X.desc] [--presets F] [--table F]
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>

#include "elf_file.h"
#include "manifest.wire.h"
#include "sha256.h"

namespace {

using Words = std::map<std::string, std::string>;

Words read_words(int argc, char** argv) {
  Words words;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag.rfind("--", 0) != 0 || i + 1 == argc) throw std::runtime_error(flag + ": expected --flag value");
    words[flag.substr(2)] = argv[i + 1];
  }
  return words;
}

std::string required(const Words& words, const char* flag) {
  const auto found = words.find(flag);
  if (found == words.end() || found->second.empty()) throw std::runtime_error(std::string("--") + flag + " is missing");
  return found->second;
}

std::string content(const Words& words, const char* flag) {
  const auto found = words.find(flag);
  if (found == words.end() || found->second.empty()) return "";
  std::ifstream file(found->second, std::ios::binary);
  if (!file) throw std::runtime_error("--" + std::string(flag) + " " + found->second + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

corral::Manifest make(const Words& words) {
  corral::Manifest m;
  m.format = 1;
  m.kind = required(words, "kind");
  m.name = required(words, "name");
  m.version = required(words, "version");
  m.license = required(words, "license");
  if (std::sscanf(required(words, "abi").c_str(), "%u.%u", &m.abi_major, &m.abi_minor) != 2)
    throw std::runtime_error("--abi: expected MAJOR.MINOR");
  m.options = content(words, "options");
  m.presets = content(words, "presets");
  m.table = content(words, "table");

  const corral::elf::MappedFile file(required(words, "plugin"));
  const corral::elf::Facts facts = corral::elf::read(file.bytes());
  m.loaded_size = facts.loaded_size;
  m.sha256 = corral::sha256(corral::elf::loaded_bytes(file.bytes()));
  m.machine = facts.machine;
  m.needed_libraries = facts.needed;
  for (const auto& need : corral::elf::highest(facts.version_needs)) m.symbol_versions.push_back({need.library, need.version, ""});
  m.x86_levels = facts.x86_levels;
  for (const auto& symbol : facts.exports) m.exports.push_back(symbol.name);
  return m;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Words words = read_words(argc, argv);
    const std::string bytes = make(words).encode(), out = required(words, "out");
    // Renamed when complete: an interrupted build leaves no partial manifest.
    const std::string beside = out + ".new";
    std::ofstream file(beside, std::ios::binary);
    file << bytes;
    file.close();
    if (!file) throw std::runtime_error(out + ": cannot be written");
    std::filesystem::rename(beside, out);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "corral-manifest: %s\n", e.what());
    return 1;
  }
  return 0;
}
