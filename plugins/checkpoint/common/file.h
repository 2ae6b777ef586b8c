// A file by its descriptor: reads and writes at a place, from any thread, whole or with an error that names the file.
#pragma once

#include <cstdint>
#include <string>

namespace corral::safetensors {

class File {
 public:
  // Throws Error (2) where the file is missing or no regular file.
  static File open(const std::string& path);
  // Makes the file, or empties the one that is there, and reserves its bytes. Throws NoSpace where the disk has no room. `sparse`: nothing
  // is reserved, and where whole pages of zeros are written, holes stay.
  static File create(const std::string& path, uint64_t size, bool sparse = false);
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&&) = delete;

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }
  // Whether parts of it have no place on the disk, and are zeros.
  bool sparse() const { return sparse_; }
  void read(uint64_t offset, void* to, uint64_t size) const;
  void write(uint64_t offset, const void* data, uint64_t size) const;
  // Says what a delayed write ran into.
  void close();

 private:
  void write_all(uint64_t offset, const char* at, uint64_t size) const;
  File(std::string path, int descriptor, uint64_t size) : path_(std::move(path)), descriptor_(descriptor), size_(size) {}
  std::string path_;
  int descriptor_;
  uint64_t size_;
  bool sparse_ = false;
};

bool all_zeros(const void* data, uint64_t size);

// The whole of a small file. Throws Error (2) where it is larger than `largest`.
std::string read_whole(const std::string& path, uint64_t largest);

}  // namespace corral::safetensors
