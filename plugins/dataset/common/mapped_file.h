#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace corral::data {

// A file mapped for reading. Throws Error (2) if it is missing or not a regular file.
class MappedFile {
 public:
  enum class Order { kOnceThrough, kAnywhere };  // the access pattern, a hint to the system
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
