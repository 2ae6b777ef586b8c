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

struct WriteMode {
  bool sparse = false;          // as for File
  bool one_of_several = false;  // other writers write the file's other bytes
};

// Writes tensors, or, as one of several writers, some of their bytes. Before `commit` the file has no header, so readers refuse it.
class SafetensorsWriter {
 public:
  // Reserves the file's bytes. Of `tensors` only name, type and shape are read.
  SafetensorsWriter(const std::string& path, std::vector<StoredTensor> tensors, WriteMode mode = {});
  // `tensor` is an index into the list given. Any thread; every byte must be written exactly once.
  void write(size_t tensor, uint64_t offset, const void* data, uint64_t size);
  // Throws if the only writer has not written a tensor completely.
  void finish();
  // Writes the header of a file whose writers have all finished.
  static void commit(const std::string& path, std::vector<StoredTensor> tensors);

 private:
  WriteMode mode_;
  std::vector<StoredTensor> tensors_;  // in the given order, with their offsets
  std::unique_ptr<std::atomic<uint64_t>[]> written_;
  SafetensorsHeader header_;
  File file_;
};

}  // namespace corral::safetensors
