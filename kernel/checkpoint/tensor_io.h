// Sources and sinks of a checkpoint's tensors, read and written in slices: the files of a format, the memory of a device, buffers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "corral/graph.h"
#include "plugin.wire.h"

namespace corral::checkpoint {

class TensorSource {
 public:
  virtual ~TensorSource() = default;
  // The tensors, in the order in which `read` numbers them.
  virtual const std::vector<TensorInfo>& tensors() const = 0;
  // Reads a slice of a row-major tensor; `offset` and `size` are in bytes.
  virtual void read(size_t tensor, uint64_t offset, void* to, uint64_t size) = 0;
  // True if several threads may read at a time.
  virtual bool concurrent() const { return false; }
};

class TensorSink {
 public:
  virtual ~TensorSink() = default;
  virtual const std::vector<TensorInfo>& tensors() const = 0;
  virtual void write(size_t tensor, uint64_t offset, const void* data, uint64_t size) = 0;
  // True if several threads may write at a time.
  virtual bool concurrent() const { return false; }
};

// The parameters of a graph under their own names.
std::vector<TensorInfo> parameters_of(const Graph& graph);

// The number of the tensor of this name, or tensors.size().
size_t find_tensor(const std::vector<TensorInfo>& tensors, const std::string& name);

// Copies one tensor after the other, in pieces. Both lists are equal except for their order.
void copy_tensors(TensorSource& from, TensorSink& to);

}  // namespace corral::checkpoint
