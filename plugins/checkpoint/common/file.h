// A file that any thread reads and writes at given offsets. Each call transfers all bytes or throws an error that names the file.
#pragma once

#include <cstdint>
#include <string>

namespace corral::safetensors {

class File {
 public:
  // Throws Error (2) if the file is missing or not a regular file.
  static File open(const std::string& path);
  // Creates or empties the file and reserves its bytes; throws NoSpace if the disk has no room. With `sparse` nothing is reserved and whole
  // pages of zeros become holes.
  static File create(const std::string& path, uint64_t size, bool sparse = false);
  // Opens a file to write some of its bytes; creates it if it is missing. Several writers may open it at once, all with the same size.
  static File share(const std::string& path, uint64_t size, bool sparse = false);
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&&) = delete;

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }
  // True if the file has holes, which read as zeros.
  bool sparse() const { return sparse_; }
  void read(uint64_t offset, void* to, uint64_t size) const;
  void write(uint64_t offset, const void* data, uint64_t size) const;
  // Throws the error of a delayed write.
  void close();

 private:
  static File reserve(const std::string& path, uint64_t size, bool sparse, int flags);
  void write_all(uint64_t offset, const char* at, uint64_t size) const;
  File(std::string path, int descriptor, uint64_t size) : path_(std::move(path)), descriptor_(descriptor), size_(size) {}
  std::string path_;
  int descriptor_;
  uint64_t size_;
  bool sparse_ = false;
};

bool all_zeros(const void* data, uint64_t size);

// Reads a small file. Throws Error (2) if it is larger than `largest`.
std::string read_whole(const std::string& path, uint64_t largest);

}  // namespace corral::safetensors
