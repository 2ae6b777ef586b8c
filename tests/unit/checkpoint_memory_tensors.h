// For tests: a source and sink of tensors in memory, which records the largest slice that was asked for.
#pragma once

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "kernel/checkpoint/element.h"
#include "kernel/checkpoint/tensor_io.h"

namespace corral::checkpoint {

inline TensorInfo tensor(const std::string& name, std::vector<int64_t> shape, DType dtype = DType::F32) {
  TensorInfo t;
  t.name = name;
  t.shape = std::move(shape);
  t.dtype = dtype;
  return t;
}

class MemoryTensors final : public TensorSource, public TensorSink {
 public:
  explicit MemoryTensors(std::vector<TensorInfo> infos) : infos_(std::move(infos)) {
    for (const TensorInfo& t : infos_)
      bytes.emplace_back(static_cast<size_t>(element_count(t.shape)) * element_bytes(t.dtype), static_cast<char>(0xee));
  }
  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  void read(size_t i, uint64_t offset, void* to, uint64_t size) override { std::memcpy(to, at(i, offset, size), size); }
  void write(size_t i, uint64_t offset, const void* data, uint64_t size) override { std::memcpy(at(i, offset, size), data, size); }

  template <class T>
  std::vector<T> values(const std::string& name) const {
    const std::vector<char>& raw = bytes.at(find_tensor(infos_, name));
    std::vector<T> all(raw.size() / sizeof(T));
    std::memcpy(all.data(), raw.data(), raw.size());
    return all;
  }
  template <class T>
  void set(const std::string& name, const std::vector<T>& values) {
    std::vector<char>& raw = bytes.at(find_tensor(infos_, name));
    if (raw.size() != values.size() * sizeof(T)) throw std::logic_error(name);
    std::memcpy(raw.data(), values.data(), raw.size());
  }

  std::vector<std::vector<char>> bytes;
  uint64_t largest = 0;

 private:
  char* at(size_t i, uint64_t offset, uint64_t size) {
    if (offset + size > bytes.at(i).size()) throw std::out_of_range(infos_[i].name);
    largest = std::max(largest, size);
    return bytes[i].data() + offset;
  }
  std::vector<TensorInfo> infos_;
};

}  // namespace corral::checkpoint
