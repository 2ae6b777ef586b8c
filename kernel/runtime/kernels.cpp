#include "kernel/runtime/kernels.h"

#include "corral/error.h"
#include "kernel/graph/verify.h"

namespace corral::runtime {

KernelTable::Entry& KernelTable::find(const AbiNode& node) {
  const auto [it, added] = entries_.try_emplace(node.key());
  if (added) it->second.unsupported = device_->unsupported(node.get());
  return it->second;
}

const std::string& KernelTable::unsupported(const Graph& g, const Node& n) { return find(AbiNode(g, n)).unsupported; }

const PreparedKernel& KernelTable::prepare(const Graph& g, size_t n) {
  const AbiNode node(g, g.nodes[n]);
  Entry& entry = find(node);
  if (!entry.unsupported.empty()) fail("{}: not offered by {}: {}", graph::where(g, n), device_->plugin().label(), entry.unsupported);
  if (!entry.kernel) entry.kernel = device_->prepare(node.get());
  return entry.kernel;
}

}  // namespace corral::runtime
