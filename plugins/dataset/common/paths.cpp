#include "plugins/dataset/common/paths.h"

#include <glob.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>
#include <sstream>

#include "corral/error.h"

namespace corral::data {
namespace {
namespace fs = std::filesystem;

std::optional<double> number(const std::string& word) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

std::vector<std::string> words_of(const std::vector<std::string>& given) {
  std::vector<std::string> words;
  std::error_code ignored;
  for (const std::string& word : given) {
    if (fs::exists(word, ignored)) {
      words.push_back(word);
      continue;
    }
    std::istringstream parts(word);
    for (std::string part; parts >> part;) words.push_back(part);
  }
  return words;
}

std::vector<std::string> folder_files(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string(), extension = it->path().extension().string();
    if (name[0] != '.' && it->is_regular_file() && (is_jsonl(name) || extension == ".txt" || extension == ".md"))
      files.push_back(it->path().string());
  }
  if (error) fail("data.paths: cannot list " + folder + ": " + error.message());
  if (files.empty()) fail("data.paths: the folder " + folder + " has no .jsonl, .ndjson, .json, .txt or .md file");
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> glob_files(const std::string& pattern) {
  glob_t found{};
  const int result = ::glob(pattern.c_str(), 0, nullptr, &found);
  std::vector<std::string> files(found.gl_pathv, found.gl_pathv + (result == 0 ? found.gl_pathc : 0));
  ::globfree(&found);
  if (files.empty()) fail("data.paths: no file matches " + pattern);
  return files;
}

std::vector<std::string> files_of(const std::string& word) {
  std::error_code error;
  if (fs::is_directory(word, error)) return folder_files(word);
  if (fs::exists(word, error)) return {word};
  if (word.find_first_of("*?[") != std::string::npos) return glob_files(word);
  const fs::path folder = fs::path(word).parent_path();
  std::vector<std::string> near;
  for (fs::directory_iterator it(folder.empty() ? "." : folder, error), end; !error && it != end; it.increment(error))
    near.push_back((folder / it->path().filename()).string());
  const std::string best = nearest(word, near);
  fail("data.paths: no such file: " + word + (best.empty() ? "" : "\n       did you mean \"" + best + "\"?"));
}
}  // namespace

bool is_jsonl(const std::string& file) {
  const std::string extension = fs::path(file).extension().string();
  return extension == ".jsonl" || extension == ".ndjson" || extension == ".json";
}

std::vector<Source> parse_paths(const std::vector<std::string>& given) {
  const std::vector<std::string> words = words_of(given);
  if (words.empty()) fail("data.paths is empty: name a file with --data FILE.jsonl");
  std::error_code ignored;
  const auto weight = [&](size_t i) { return fs::exists(words[i], ignored) ? std::nullopt : number(words[i]); };
  if (!weight(0)) {
    Source all;
    for (size_t i = 0; i < words.size(); ++i) {
      if (weight(i)) fail("data.paths: weight " + words[i] + " stands before some paths only: give every path a weight, or none");
      for (std::string& file : files_of(words[i])) all.files.push_back(std::move(file));
    }
    return {all};
  }
  std::vector<Source> sources;
  for (size_t i = 0; i < words.size(); i += 2) {
    if (!weight(i)) fail("data.paths: no weight before " + words[i] + ": give every path a weight, or none");
    if (!std::isfinite(*weight(i)) || *weight(i) <= 0) fail("data.paths: weight " + words[i] + " is not above 0");
    if (i + 1 == words.size()) fail("data.paths: weight " + words[i] + " has no path after it");
    sources.push_back({*weight(i), files_of(words[i + 1])});
  }
  return sources;
}

}  // namespace corral::data
