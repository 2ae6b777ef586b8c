#include "bin/hub/hub_cache.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "corral/error.h"

namespace corral::hub {
namespace {
namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

fs::path home() {
  if (const std::string set = environment("HF_HOME"); !set.empty()) return set;
  if (const std::string set = environment("XDG_CACHE_HOME"); !set.empty()) return fs::path(set) / "huggingface";
  return fs::path(environment("HOME")) / ".cache/huggingface";
}

// The first word of a small file, or "".
std::string word_in(const fs::path& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

bool is_commit(const std::string& text) { return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string::npos; }

// True if the text can be a part of a name. The hub allows no other characters, and relative or absolute paths are excluded.
bool is_part(const std::string& text) {
  constexpr char kTaken[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !text.empty() && text.size() <= 96 && text.find_first_not_of(kTaken) == std::string::npos && text.front() != '.' &&
         text.front() != '-' && text.find("--") == std::string::npos && text.find("..") == std::string::npos;
}

}  // namespace

std::optional<HubName> hub_name(const std::string& text) {
  HubName name;
  const size_t at = text.find('@');
  name.repository = text.substr(0, at);
  if (at != std::string::npos) name.revision = text.substr(at + 1);
  const size_t slash = name.repository.find('/');
  if (slash == std::string::npos || !is_part(name.repository.substr(0, slash)) || !is_part(name.repository.substr(slash + 1)) ||
      !stays_below(name.revision))
    return {};
  return name;
}

bool stays_below(const std::string& name) {
  if (name.empty() || name.size() > 1000 || name.find_first_of(std::string("\\\0", 2)) != std::string::npos) return false;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
    begin = end + 1;
  }
  return true;
}

fs::path hub_cache() {
  if (const std::string set = environment("HF_HUB_CACHE"); !set.empty()) return set;
  return home() / "hub";
}

fs::path hub_folder(const std::string& repository) {
  std::string name = "models--" + repository;
  name.replace(name.find('/'), 1, "--");
  return hub_cache() / name;
}

std::string cached_commit(const HubName& name) {
  const fs::path folder = hub_folder(name.repository);
  const std::string commit = is_commit(name.revision) ? name.revision : word_in(folder / "refs" / name.revision);
  std::error_code error;
  return is_commit(commit) && fs::is_directory(folder / "snapshots" / commit, error) ? commit : "";
}

std::string hub_endpoint() {
  std::string endpoint = environment("HF_ENDPOINT");
  while (endpoint.ends_with('/')) endpoint.pop_back();
  if (endpoint.empty()) return "https://huggingface.co";
  if (!endpoint.starts_with("https://") && !endpoint.starts_with("http://"))
    fail("HF_ENDPOINT = \"{}\": expected the address of a hub, such as https://huggingface.co", endpoint);
  return endpoint;
}

std::string hub_token() {
  if (const std::string set = environment("HF_TOKEN"); !set.empty()) return set;
  const std::string path = environment("HF_TOKEN_PATH");
  return word_in(path.empty() ? home() / "token" : fs::path(path));
}

std::string cached_path(const std::string& path) {
  std::error_code error;
  const auto name = hub_name(path);
  const std::string commit = name && !fs::exists(path, error) ? cached_commit(*name) : "";
  return commit.empty() ? path : (hub_folder(name->repository) / "snapshots" / commit).string();
}

std::string local_path(const std::string& path) {
  std::error_code error;
  const std::string found = cached_path(path);
  if (!hub_name(path) || fs::exists(found, error)) return found;
  fail("{}: no such folder, and no such model in {}\n       if it is the hub's name of a model: corral download {}", path,
       hub_cache().string(), path);
}

}  // namespace corral::hub
