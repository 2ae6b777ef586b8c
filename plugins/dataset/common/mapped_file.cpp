#include "plugins/dataset/common/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "corral/error.h"

namespace corral::data {

MappedFile::MappedFile(const std::string& path, Order order) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail("data.paths: cannot read " + path + ": " + std::strerror(errno));
  struct stat status {};
  const bool regular = ::fstat(file, &status) == 0 && S_ISREG(status.st_mode);
  if (regular && status.st_size > 0) {
    size_ = static_cast<size_t>(status.st_size);
    address_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
  }
  const int map_errno = errno;
  ::close(file);
  if (!regular) fail("data.paths: " + path + " is not a regular file");
  if (address_ == MAP_FAILED) {
    address_ = nullptr;
    fail("data.paths: cannot map " + path + ": " + std::strerror(map_errno));
  }
  if (address_ && order == Order::kOnceThrough) ::madvise(address_, size_, MADV_SEQUENTIAL);
}

MappedFile::~MappedFile() {
  if (address_) ::munmap(address_, size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : address_(std::exchange(other.address_, nullptr)), size_(std::exchange(other.size_, 0)) {}

}  // namespace corral::data
