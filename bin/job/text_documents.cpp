#include "bin/job/text_documents.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "corral/error.h"
#include "corral/utf8.h"

namespace corral::job {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

void add_folder(const std::string& folder, std::vector<std::string>& files) {
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string(), extension = it->path().extension().string();
    if (name[0] != '.' && it->is_regular_file() && (is_jsonl(name) || extension == ".txt" || extension == ".md"))
      found.push_back(it->path().string());
  }
  if (error) fail("--data: cannot list {}: {}", folder, error.message());
  if (found.empty()) fail("--data: the folder {} has no .jsonl, .ndjson, .json, .txt or .md file", folder);
  std::sort(found.begin(), found.end());
  files.insert(files.end(), found.begin(), found.end());
}

// Parses a row; an error names its place. The text of nlohmann's own error begins with its name, a number and the line.
json parse_row(const std::string& line, const std::string& place) {
  try {
    return json::parse(line);
  } catch (const json::exception& e) {  // a number such as 1e999 is not a parse error, and has no column
    const std::string what = e.what();
    const size_t at = what.find("column "), text = what.find("] ");
    fail("{}: {}", place, at != std::string::npos ? what.substr(at) : text != std::string::npos ? what.substr(text + 2) : what);
  }
}

void check_utf8(std::string_view text, const std::string& place) {
  const size_t invalid = first_invalid_utf8(text);
  if (invalid == kAllValid) return;
  const auto before = text.begin() + static_cast<std::ptrdiff_t>(invalid);
  fail("{}:{}: invalid UTF-8", place, 1 + std::count(text.begin(), before, '\n'));
}

}  // namespace

std::vector<std::string> text_files(const std::vector<std::string>& words) {
  std::vector<std::string> files;
  for (const std::string& word : words) {
    std::error_code error;
    if (word != "-" && !fs::exists(word, error)) {
      std::vector<std::string> near;
      const fs::path folder = fs::path(word).parent_path();
      for (fs::directory_iterator it(folder.empty() ? "." : folder, error), end; !error && it != end; it.increment(error))
        near.push_back((folder / it->path().filename()).string());
      const std::string best = nearest(word, near);
      fail("--data: no such file: {}{}", word, best.empty() ? "" : "\n       did you mean \"" + best + "\"?");
    }
    if (word != "-" && fs::is_directory(word, error))
      add_folder(word, files);
    else
      files.push_back(word);
  }
  return files;
}

bool is_jsonl(const std::string& file) {
  const std::string extension = fs::path(file).extension().string();
  return extension == ".jsonl" || extension == ".ndjson" || extension == ".json";
}

bool Documents::open_next() {
  if (opened_ == files_.size()) return false;
  file_ = std::ifstream();
  const std::string& name = files_[opened_++];
  number_ = 0;
  if (name == "-") return true;
  file_.open(name, std::ios::binary);
  if (!file_) fail("--data: cannot read {}: {}", name, std::strerror(errno));
  return true;
}

// Reads the next line of the open JSONL file that is not blank.
bool Documents::next_line() {
  while (std::getline(file_, line_)) {
    ++number_;
    if (number_ == 1 && line_.starts_with("\xEF\xBB\xBF")) line_.erase(0, 3);
    if (line_.find_first_not_of(" \t\r") == std::string::npos) continue;
    place_ = format("{}:{}", files_[opened_ - 1], number_);
    return true;
  }
  if (file_.bad()) fail("--data: cannot read {}: {}", files_[opened_ - 1], std::strerror(errno));
  return false;
}

bool Documents::next(std::string_view& text) {
  for (;;) {
    if (opened_ > 0 && is_jsonl(files_[opened_ - 1]) && next_line()) {
      json row = parse_row(line_, place_);
      if (!row.is_object()) fail("{}: expected a JSON object, such as {\"{}\": \"...\"}", place_, field_);
      const auto found = row.find(field_);
      if (found == row.end()) fail("{}: no field \"{}\"", place_, field_);
      if (!found->is_string()) fail("{}: \"{}\" is not a string", place_, field_);
      text_ = std::move(found->get_ref<std::string&>());
      text = text_;
      return true;
    }
    if (!open_next()) return false;
    const std::string& name = files_[opened_ - 1];
    if (is_jsonl(name)) continue;
    place_ = name == "-" ? "standard input" : name;
    std::istream& in = name == "-" ? std::cin : file_;
    text_.assign(std::istreambuf_iterator<char>(in), {});
    if (in.bad()) fail("--data: cannot read {}: {}", place_, std::strerror(errno));
    text = text_;
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    check_utf8(text, place_);
    return true;
  }
}

bool Documents::next(std::vector<int32_t>& ids) {
  for (;;) {
    if (opened_ > 0 && next_line()) break;
    if (!open_next()) return false;
    if (const std::string& name = files_[opened_ - 1]; !is_jsonl(name))
      fail("--data: {}: expected a .jsonl file with a list of ids on each line", name);
  }
  const json row = parse_row(line_, place_);
  const auto found = row.is_object() ? row.find(field_) : row.end();
  const json& list = row.is_array() ? row : row.is_object() && found != row.end() ? *found : json();
  if (!list.is_array()) fail("{}: expected an array of ids, or an object with \"{}\"", place_, field_);
  ids.clear();
  for (const json& id : list) {
    const bool fits = id.is_number_unsigned() && id.get<uint64_t>() <= 0x7FFFFFFFull;
    if (!fits) fail("{}: {} is not a token id", place_, id.dump(-1, ' ', false, json::error_handler_t::replace).substr(0, 60));
    ids.push_back(id.get<int32_t>());
  }
  return true;
}

}  // namespace corral::job
