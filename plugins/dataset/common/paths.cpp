#include "plugins/dataset/common/paths.h"

#include <glob.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <sstream>

#include "corral/error.h"

namespace corral::data {
namespace {
namespace fs = std::filesystem;

constexpr double kLargestWeight = 1e15;

std::optional<double> number(const std::string& word) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error == std::errc::result_out_of_range) value = std::numeric_limits<double>::infinity();
  if (error == std::errc::invalid_argument || end != word.data() + word.size()) return std::nullopt;
  return value;
}

std::vector<std::string> words_of(const std::vector<std::string>& given, const PathWords& kind) {
  std::vector<std::string> words;
  for (const std::string& word : given) {
    if (kind.is_there(word)) {
      words.push_back(word);
      continue;
    }
    std::istringstream parts(word);
    for (std::string part; parts >> part;) words.push_back(part);
  }
  return words;
}

std::vector<std::string> folder_files(const std::string& folder, const char* key) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string(), extension = it->path().extension().string();
    if (name[0] != '.' && it->is_regular_file() && (is_jsonl(name) || extension == ".txt" || extension == ".md"))
      files.push_back(it->path().string());
  }
  if (error) fail("{}: cannot list {}: {}", key, folder, error.message());
  if (files.empty()) fail("{}: the folder {} has no .jsonl, .ndjson, .json, .txt or .md file", key, folder);
  std::sort(files.begin(), files.end());
  return files;
}

bool exists(const std::string& word) {
  std::error_code ignored;
  return fs::exists(word, ignored);
}

std::vector<std::string> files_of(const std::string& word, const char* key) {
  std::error_code error;
  if (fs::is_directory(word, error)) return folder_files(word, key);
  if (exists(word)) return {word};
  if (word.find_first_of("*?[") != std::string::npos) {
    std::vector<std::string> files = glob_names(word);
    if (files.empty()) fail("{}: no file matches {}", key, word);
    return files;
  }
  if (exists(word + ".idx")) fail("{}: {} is an indexed pair (.idx and .bin): read it with --dataset indexed", key, word);
  fail("{}: no such file: {}{}", key, word, nearest_name(word));
}
}  // namespace

PathWords text_files() { return {.is_there = exists, .names = files_of}; }

std::vector<std::string> glob_names(const std::string& pattern) {
  glob_t found{};
  const int result = ::glob(pattern.c_str(), 0, nullptr, &found);
  std::vector<std::string> names(found.gl_pathv, found.gl_pathv + (result == 0 ? found.gl_pathc : 0));
  ::globfree(&found);
  return names;
}

std::string nearest_name(const std::string& word, const std::string& ending) {
  const fs::path folder = fs::path(word).parent_path();
  std::vector<std::string> near;
  std::error_code error;
  for (fs::directory_iterator it(folder.empty() ? "." : folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = (folder / it->path().filename()).string();
    if (name.ends_with(ending)) near.push_back(name.substr(0, name.size() - ending.size()));
  }
  const std::string best = nearest(word, near);
  return best.empty() ? "" : "\n       did you mean \"" + best + "\"?";
}

bool is_jsonl(const std::string& file) {
  const std::string extension = fs::path(file).extension().string();
  return extension == ".jsonl" || extension == ".ndjson" || extension == ".json";
}

std::vector<Source> parse_paths(const std::vector<std::string>& given, const PathWords& kind) {
  const std::vector<std::string> words = words_of(given, kind);
  const std::string key = kind.key;
  if (words.empty()) fail("{} is empty: name {}", key, kind.example);
  const auto weight = [&](size_t i) { return kind.is_there(words[i]) ? std::nullopt : number(words[i]); };
  if (!weight(0)) {
    Source all;
    for (size_t i = 0; i < words.size(); ++i) {
      if (weight(i)) fail("{}: weight {} precedes only some paths: give every path a weight, or none", key, words[i]);
      for (std::string& file : kind.names(words[i], kind.key)) all.files.push_back(std::move(file));
    }
    return {all};
  }
  std::vector<Source> sources;
  for (size_t i = 0; i < words.size(); i += 2) {
    if (!weight(i)) fail("{}: no weight before {}: give every path a weight, or none", key, words[i]);
    if (i + 1 == words.size()) fail("{}: weight {} has no path after it", key, words[i]);
    if (weight(i + 1)) fail("{}: weight {} has another weight after it, {}: expected a path", key, words[i], words[i + 1]);
    if (!(*weight(i) > 0 && *weight(i) <= kLargestWeight))
      fail("{}: weight {} of {}: expected a number above 0 (the weights need not add up to 1); to read nothing of a path, leave it out",
           key, words[i], words[i + 1]);
    sources.push_back({*weight(i), kind.names(words[i + 1], kind.key)});
  }
  return sources;
}

}  // namespace corral::data
