// One safetensors file, read or written by slices of tensors.
#pragma once

#include <atomic>
#include <memory>

#include "plugins/checkpoint/common/file.h"
#include "plugins/checkpoint/common/safetensors_header.h"

namespace corral::safetensors {

class SafetensorsReader {
 public:
  // Throws Error (2) where the file is missing, cut off or states anything that cannot be.
  explicit SafetensorsReader(const std::string& path);
  const std::vector<StoredTensor>& tensors() const { return header_.tensors; }
  const std::string& path() const { return file_.path(); }
  // `tensor` counts as tensors() does. Any thread.
  void read(size_t tensor, uint64_t offset, void* to, uint64_t size) const;

 private:
  File file_;
  SafetensorsHeader header_;
};

class SafetensorsWriter {
 public:
  // Only name, type and shape of `tensors` are read. Writes the header and reserves the rest.
  // `sparse`: as for File.
  SafetensorsWriter(const std::string& path, std::vector<StoredTensor> tensors, bool sparse = false);
  // `tensor` counts as the list given did. Any thread; every byte must come once.
  void write(size_t tensor, uint64_t offset, const void* data, uint64_t size);
  // Throws where a tensor has not been written whole.
  void finish();

 private:
  std::vector<StoredTensor> tensors_;  // as given, with their places
  std::unique_ptr<std::atomic<uint64_t>[]> written_;
  SafetensorsHeader header_;
  std::string head_;
  File file_;
};

}  // namespace corral::safetensors
