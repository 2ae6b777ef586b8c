#include "plugins/dataset/indexed/pair.h"

#include <algorithm>
#include <filesystem>

#include "corral/error.h"
#include "plugins/dataset/common/mapped_file.h"

namespace corral::indexed {
namespace fs = std::filesystem;

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

namespace {

constexpr const char *kIndex = ".idx", *kTokens = ".bin";

struct MappedPair {
  data::MappedFile index_file, tokens_file;
  Pair pair;
  explicit MappedPair(const std::string& prefix)
      : index_file(prefix + kIndex, data::MappedFile::Order::kAnywhere),
        tokens_file(prefix + kTokens, data::MappedFile::Order::kAnywhere),
        pair{prefix, tokens_file.bytes(), Index(index_file.bytes(), tokens_file.bytes().size(), prefix)} {}
};

std::string without_ending(const std::string& name) {
  return name.ends_with(kIndex) || name.ends_with(kTokens) ? name.substr(0, name.size() - 4) : name;
}

bool is_there(const std::string& word) { return exists(word) || exists(word + kIndex) || exists(word + kTokens); }

std::vector<std::string> prefixes_of(std::vector<std::string> files) {
  std::erase_if(files, [](const std::string& file) { return !file.ends_with(kIndex); });
  for (std::string& file : files) file = without_ending(file);
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> folder_prefixes(const std::string& folder, const char* key) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) files.push_back(it->path().string());
  if (error) fail("{}: cannot list {}: {}", key, folder, error.message());
  files = prefixes_of(std::move(files));
  if (files.empty()) fail("{}: the folder {} has no .idx file", key, folder);
  return files;
}

std::vector<std::string> names(const std::string& word, const char* key) {
  std::error_code error;
  const std::string prefix = without_ending(word);
  if (exists(prefix + kIndex)) {
    if (!exists(prefix + kTokens)) fail("{}: {}.idx exists, but not {}.bin with its tokens", key, prefix, prefix);
    return {prefix};
  }
  if (exists(prefix + kTokens)) fail("{}: {}.bin exists, but not its index {}.idx: writing the pair did not finish", key, prefix, prefix);
  if (fs::is_directory(word, error)) return folder_prefixes(word, key);
  if (word.find_first_of("*?[") != std::string::npos) {
    std::vector<std::string> found = prefixes_of(data::glob_names(word));
    if (found.empty()) found = prefixes_of(data::glob_names(word + kIndex));
    if (found.empty()) fail("{}: no .idx file matches {}", key, word);
    return found;
  }
  if (exists(word))
    fail("{}: {} is not an indexed pair (.idx and .bin): read it with --dataset text, or make a pair of it with `corral data build`", key,
         word);
  fail("{}: no such pair: {}.idx, {}.bin{}", key, prefix, prefix, data::nearest_name(prefix, kIndex));
}
}  // namespace

std::shared_ptr<const Pair> open_pair(const std::string& prefix) {
  const auto mapped = std::make_shared<const MappedPair>(prefix);
  return {mapped, &mapped->pair};
}

data::PathWords pair_words(const char* key) { return {key, "a pair by the prefix of its PREFIX.idx and PREFIX.bin", is_there, names}; }

}  // namespace corral::indexed
