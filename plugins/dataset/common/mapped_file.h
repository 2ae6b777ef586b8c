#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace corral::data {

// A file's bytes, mapped for reading. Throws Error (exit code 2) when the file is missing or no regular file.
class MappedFile {
 public:
  enum class Order { kOnceThrough, kAnywhere };  // how it will be read
  explicit MappedFile(const std::string& path, Order order = Order::kOnceThrough);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::string_view bytes() const { return {static_cast<const char*>(address_), size_}; }

 private:
  void* address_ = nullptr;
  size_t size_ = 0;
};

}  // namespace corral::data
