#include "kernel/checkpoint/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "corral/error.h"

namespace corral::checkpoint {
namespace fs = std::filesystem;

void fail_io(const char* verb, const fs::path& path, int error) {
  const std::string text = format("cannot {} {}: {}", verb, path.string(), std::strerror(error));
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) throw NoSpace(text);
  throw Error(3, text);
}

void write_synced(const fs::path& path, const std::string& content) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) fail_io("write", path, errno);
  const char* at = content.data();
  size_t left = content.size();
  int error = 0;
  while (left > 0 && error == 0) {
    const ssize_t n = ::write(file, at, left);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      error = errno;
    } else {
      at += n;
      left -= static_cast<size_t>(n);
    }
  }
  if (error == 0 && ::fsync(file) != 0) error = errno;
  if (::close(file) != 0 && error == 0) error = errno;
  if (error != 0) fail_io("write", path, error);
}

void replace_synced(const fs::path& path, const std::string& content) {
  const fs::path beside = path.string() + ".partial";
  write_synced(beside, content);
  if (::rename(beside.c_str(), path.c_str()) != 0) fail_io("rename", beside, errno);
  sync_folder(path.parent_path());
}

void sync_folder(const fs::path& path) {
  const int folder = ::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) fail_io("sync", path, errno);
  // Some file systems cannot sync folders and say so; they order renames by themselves.
  const int error = ::fsync(folder) != 0 && errno != EINVAL ? errno : 0;
  ::close(folder);
  if (error != 0) fail_io("sync", path, error);
}

void sync_below(const fs::path& folder) {
  for (const std::string& name : files_below(folder)) {
    const int file = ::open((folder / name).c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) fail_io("sync", folder / name, errno);
    const int error = ::fsync(file) != 0 ? errno : 0;
    ::close(file);
    if (error != 0) fail_io("sync", folder / name, error);
  }
  for (const fs::path& sub : folders_below(folder)) sync_folder(sub);
}

std::vector<std::string> files_below(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_directory() && !entry.is_symlink()) continue;
    if (!entry.is_regular_file()) fail_environment("{} is neither a file nor a folder", entry.path().string());
    names.push_back(fs::relative(entry.path(), folder).string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<fs::path> folders_below(const fs::path& folder) {
  std::vector<fs::path> folders;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_directory() && !entry.is_symlink()) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end(), [](const fs::path& a, const fs::path& b) { return b < a; });
  folders.push_back(folder);
  return folders;
}

namespace {
template <class F>
uint64_t sum_below(const fs::path& folder, F&& of_file) {
  uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored)) bytes += of_file(*at);
  }
  return bytes;
}
}  // namespace

uint64_t bytes_below(const fs::path& folder) {
  return sum_below(folder, [](const fs::directory_entry& file) {
    std::error_code ignored;
    return file.file_size(ignored);
  });
}

uint64_t allocated_below(const fs::path& folder) {
  return sum_below(folder, [](const fs::directory_entry& file) {
    struct stat status {};
    return ::stat(file.path().c_str(), &status) == 0 ? static_cast<uint64_t>(status.st_blocks) * 512 : 0;
  });
}

std::string size_text(uint64_t bytes) {
  constexpr const char* kUnits[] = {"bytes", "KB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1000 && unit + 1 < std::size(kUnits); ++unit) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

}  // namespace corral::checkpoint
