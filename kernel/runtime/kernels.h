// Prepared kernels. Nodes that a device sees as equal share one: the layers of a model share their kernels.
#pragma once

#include <string>
#include <unordered_map>

#include "corral/graph.h"
#include "kernel/plugin/device.h"
#include "kernel/runtime/abi_node.h"

namespace corral::runtime {

class KernelTable {
 public:
  explicit KernelTable(std::shared_ptr<const DeviceHandle> device) : device_(std::move(device)) {}

  // Returns "" if the device supports the node, else the reason why it does not.
  const std::string& unsupported(const Graph& g, const Node& n);
  // Valid as long as this table. Throws naming the operation and the device.
  const PreparedKernel& prepare(const Graph& g, size_t node);
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string unsupported;
    PreparedKernel kernel;
  };
  Entry& find(const AbiNode& node);

  std::shared_ptr<const DeviceHandle> device_;
  std::unordered_map<std::string, Entry> entries_;  // by AbiNode::key
};

}  // namespace corral::runtime
