// One safetensors file, read or written by slices of tensors.
#pragma once

#include <atomic>
#include <memory>

#include "plugins/checkpoint/common/file.h"
#include "plugins/checkpoint/common/safetensors_header.h"

namespace corral::safetensors {

class SafetensorsReader {
 public:
  // Throws Error (2) if the file is missing, cut off or its header contradicts itself or the file.
  explicit SafetensorsReader(const std::string& path);
  const std::vector<StoredTensor>& tensors() const { return header_.tensors; }
  const std::string& path() const { return file_.path(); }
  // `tensor` is an index into tensors(). Any thread.
  void read(size_t tensor, uint64_t offset, void* to, uint64_t size) const;

 private:
  File file_;
  SafetensorsHeader header_;
};

class SafetensorsWriter {
 public:
  // Writes the header and reserves the rest. Of `tensors` only name, type and shape are read; `sparse` as for File.
  SafetensorsWriter(const std::string& path, std::vector<StoredTensor> tensors, bool sparse = false);
  // `tensor` is an index into the list given. Any thread; every byte must be written exactly once.
  void write(size_t tensor, uint64_t offset, const void* data, uint64_t size);
  // Throws if a tensor was not written completely.
  void finish();

 private:
  std::vector<StoredTensor> tensors_;  // in the given order, with their offsets
  std::unique_ptr<std::atomic<uint64_t>[]> written_;
  SafetensorsHeader header_;
  std::string head_;
  File file_;
};

}  // namespace corral::safetensors
