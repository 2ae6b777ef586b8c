#include "plugins/tokenizer/common/folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "corral/error.h"

namespace corral::tokenizer {
namespace {
namespace fs = std::filesystem;
constexpr uint64_t kLargest = 512ull << 20;

void write_synced(const fs::path& path, std::string_view content) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  const auto failed = [&] {
    const int error = errno;
    if (file >= 0) ::close(file);
    const std::string text = format("cannot write {}: {}", path.string(), std::strerror(error));
    if (error == ENOSPC || error == EDQUOT) throw NoSpace(text);
    fail_environment("{}", text);
  };
  if (file < 0) failed();
  while (!content.empty()) {
    const ssize_t written = ::write(file, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) failed();
    content.remove_prefix(static_cast<size_t>(written));
  }
  if (::fsync(file) != 0 && errno != EINVAL) failed();
  ::close(file);
}

}  // namespace

bool is_file(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

std::string read_file(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) fail("cannot read {}: no such file", path);
  if (!fs::is_regular_file(path, error)) fail("cannot read {}: not a regular file", path);
  const uint64_t size = fs::file_size(path, error);
  if (!error && size > kLargest) fail("{} has {} bytes: expected at most {} for a tokenizer's file", path, size, kLargest);
  std::ifstream file(path, std::ios::binary);
  std::string content(error ? 0 : size, '\0');
  if (error || !file.read(content.data(), static_cast<std::streamsize>(size))) fail("cannot read {}: {}", path, std::strerror(errno));
  return content;
}

void check_new_folder(const std::string& path) {
  std::error_code error;
  if (fs::exists(path, error) && !(fs::is_directory(path, error) && fs::is_empty(path, error)))
    fail("{}: exists and is not an empty folder: name a new one", path);
}

void write_folder(const std::string& path, const std::vector<WrittenFile>& files) {
  check_new_folder(path);
  fs::path target = fs::absolute(path).lexically_normal();
  if (target.filename().empty()) target = target.parent_path();
  const fs::path partial = target.string() + ".partial";
  std::error_code error;
  fs::remove_all(partial, error);
  fs::create_directories(partial, error);
  if (error) fail_environment("cannot make {}: {}", partial.string(), error.message());
  try {
    for (const WrittenFile& file : files) write_synced(partial / file.name, file.content);
    fs::remove(target, error);
    fs::rename(partial, target, error);
    if (error) fail_environment("cannot make {}: {}", target.string(), error.message());
  } catch (...) {
    fs::remove_all(partial, error);
    throw;
  }
}

}  // namespace corral::tokenizer
