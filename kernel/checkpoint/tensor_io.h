// Where the tensors of a checkpoint come from and go to, slice by slice: the files of a format, the memory of a device, buffers.
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
  // In the order that `read` counts.
  virtual const std::vector<TensorInfo>& tensors() const = 0;
  // `offset` and `size` in bytes of the tensor, row after row.
  virtual void read(size_t tensor, uint64_t offset, void* to, uint64_t size) = 0;
  // Whether several threads may read at a time.
  virtual bool concurrent() const { return false; }
};

class TensorSink {
 public:
  virtual ~TensorSink() = default;
  virtual const std::vector<TensorInfo>& tensors() const = 0;
  virtual void write(size_t tensor, uint64_t offset, const void* data, uint64_t size) = 0;
  // Whether several threads may write at a time.
  virtual bool concurrent() const { return false; }
};

// The parameters of a graph under their own names.
std::vector<TensorInfo> parameters_of(const Graph& graph);

// The number of a tensor, or tensors.size().
size_t find_tensor(const std::vector<TensorInfo>& tensors, const std::string& name);

// One tensor after the other, in pieces; both lists are equal but for their order.
void copy_tensors(TensorSource& from, TensorSink& to);

}  // namespace corral::checkpoint
