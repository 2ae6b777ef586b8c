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
constexpr uint64_t kOneCall = 1 << 30;  // Linux transfers at most 2 GiB - 4 KiB per call
constexpr uint64_t kPage = 4096;        // smallest aligned run of zeros that may become a hole
constexpr uint64_t kLate = 1 << 20;     // from this size on, write-back to the disk starts at once

[[noreturn]] void fail_write(const std::string& path, int error) {
  const std::string text = "cannot write " + path + ": " + std::strerror(error);
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) throw NoSpace(text);
  throw Error(3, text);
}
}  // namespace

File File::open(const std::string& path) {
  // O_NONBLOCK: a named pipe in the folder must be refused, not waited for.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) fail("cannot read {}: {}", path, std::strerror(errno));
  struct stat status {};
  File file(path, descriptor, 0);
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) fail("cannot read {}: not a regular file", path);
  file.size_ = static_cast<uint64_t>(status.st_size);
  file.sparse_ = static_cast<uint64_t>(status.st_blocks) * 512 + kPage < file.size_;
  return file;
}

File File::create(const std::string& path, uint64_t size, bool sparse) { return reserve(path, size, sparse, O_TRUNC); }

File File::share(const std::string& path, uint64_t size, bool sparse) { return reserve(path, size, sparse, 0); }

File File::reserve(const std::string& path, uint64_t size, bool sparse, int flags) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666);
  if (descriptor < 0) fail_write(path, errno);
  File file(path, descriptor, size);
  file.sparse_ = sparse;
  if (sparse) {
    if (::ftruncate(descriptor, static_cast<off_t>(size)) != 0) fail_write(path, errno);
    return file;
  }
  // Reserve the bytes now: a full disk is better found before the first tensor than after hours. If the file system cannot reserve, the
  // writes find out.
  if (size > 0 && ::fallocate(descriptor, 0, 0, static_cast<off_t>(size)) != 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
    fail_write(path, errno);
  return file;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)), size_(other.size_), sparse_(other.sparse_) {}

void File::read(uint64_t offset, void* to, uint64_t size) const {
  char* at = static_cast<char*>(to);
  while (size > 0) {
    uint64_t part = std::min(size, kOneCall);
    if (sparse_ && offset < size_) {
      // Skip holes: reading them would fill the page cache with zeros.
      const off_t data = ::lseek(descriptor_, static_cast<off_t>(offset), SEEK_DATA);
      const uint64_t next = data >= 0 ? static_cast<uint64_t>(data) : errno == ENXIO ? size_ : offset;
      const uint64_t zeros = std::min(size, next - offset);
      std::memset(at, 0, zeros);
      at += zeros;
      offset += zeros;
      size -= zeros;
      if (size == 0) return;
      const off_t hole = ::lseek(descriptor_, static_cast<off_t>(offset), SEEK_HOLE);
      part = std::min(size, hole > static_cast<off_t>(offset) ? static_cast<uint64_t>(hole) - offset : kPage);
    }
    const ssize_t n = ::pread(descriptor_, at, part, static_cast<off_t>(offset));
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
  if (!sparse_) return write_all(offset, at, size);
  const auto page = [&](uint64_t done) { return std::min(size - done, kPage - (offset + done) % kPage); };
  for (uint64_t done = 0; done < size;) {
    uint64_t end = done;
    while (end < size && !all_zeros(at + end, page(end))) end += page(end);
    write_all(offset + done, at + done, end - done);
    for (done = end; done < size && all_zeros(at + done, page(done));) done += page(done);
  }
}

void File::write_all(uint64_t offset, const char* at, uint64_t size) const {
  const uint64_t first = offset, whole = size;
  while (size > 0) {
    const ssize_t n = ::pwrite(descriptor_, at, std::min(size, kOneCall), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_write(path_, errno);
    at += n;
    offset += static_cast<uint64_t>(n);
    size -= static_cast<uint64_t>(n);
  }
  if (whole >= kLate) ::sync_file_range(descriptor_, static_cast<off_t>(first), static_cast<off_t>(whole), SYNC_FILE_RANGE_WRITE);
}

bool all_zeros(const void* data, uint64_t size) {
  const char* at = static_cast<const char*>(data);
  for (; size >= 64; at += 64, size -= 64) {
    uint64_t words[8], any = 0;
    std::memcpy(words, at, sizeof words);
    for (const uint64_t w : words) any |= w;
    if (any != 0) return false;
  }
  return std::all_of(at, at + size, [](char c) { return c == 0; });
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
