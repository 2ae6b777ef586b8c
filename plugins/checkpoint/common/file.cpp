#include "plugins/checkpoint/common/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "corral/error.h"

namespace corral::safetensors {
namespace {
constexpr uint64_t kOneCall = 1 << 30;  // the kernel takes at most 2 GiB - 4 KiB at once

[[noreturn]] void fail_write(const std::string& path, int error) {
  const std::string text = "cannot write " + path + ": " + std::strerror(error);
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) throw NoSpace(text);
  throw Error(3, text);
}
}  // namespace

File File::open(const std::string& path) {
  // Not blocking, so that a named pipe in the folder is refused rather than waited for.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) fail("cannot read {}: {}", path, std::strerror(errno));
  struct stat status {};
  File file(path, descriptor, 0);
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) fail("cannot read {}: no regular file", path);
  file.size_ = static_cast<uint64_t>(status.st_size);
  return file;
}

File File::create(const std::string& path, uint64_t size) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) fail_write(path, errno);
  File file(path, descriptor, size);
  // A full disk is better found before the first tensor is written than after hours; where a file system cannot reserve, the writes find
  // it.
  if (size > 0 && ::fallocate(descriptor, 0, 0, static_cast<off_t>(size)) != 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
    fail_write(path, errno);
  return file;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

File::File(File&& other) noexcept : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)), size_(other.size_) {}

void File::read(uint64_t offset, void* to, uint64_t size) const {
  char* at = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t n = ::pread(descriptor_, at, std::min(size, kOneCall), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_environment("cannot read {} at byte {}: {}", path_, offset, std::strerror(errno));
    if (n == 0) fail("{}: ends at byte {}, but had {} bytes when it was opened", path_, offset, size_);
    at += n;
    offset += static_cast<uint64_t>(n);
    size -= static_cast<uint64_t>(n);
  }
}

void File::write(uint64_t offset, const void* data, uint64_t size) const {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::pwrite(descriptor_, at, std::min(size, kOneCall), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_write(path_, errno);
    at += n;
    offset += static_cast<uint64_t>(n);
    size -= static_cast<uint64_t>(n);
  }
}

void File::close() {
  if (descriptor_ >= 0 && ::close(std::exchange(descriptor_, -1)) != 0) fail_write(path_, errno);
}

std::string read_whole(const std::string& path, uint64_t largest) {
  const File file = File::open(path);
  if (file.size() > largest) fail("{}: {} bytes, expected at most {}", path, file.size(), largest);
  std::string bytes(file.size(), '\0');
  file.read(0, bytes.data(), bytes.size());
  return bytes;
}

}  // namespace corral::safetensors
