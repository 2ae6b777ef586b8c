// The interface of an operation's files: a table entry prepares a node, and the prepared node is launched.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "corral/device.h"

namespace corral::cpu {

struct Context {
  int threads = 1;
};

using Launch = void (*)(const struct Prepared& node, void* const* inputs, void* const* outputs, void* workspace);

// A prepared node: everything that a launch needs except addresses.
struct Prepared {
  Launch launch = nullptr;
  Context context;
  int64_t sizes[8] = {};  // the operation defines their meaning
  double numbers[6] = {};
  std::vector<double> list;
  DType in[12] = {}, out[6] = {};
  uint32_t accumulate = 0;
  uint64_t workspace = 0;
  // The number of threads for so many numbers: for few, waking other threads takes longer than the work.
  int team(int64_t numbers) const { return numbers < 1 << 14 ? 1 : context.threads; }
  bool adds(int output) const { return accumulate >> output & 1; }
};

// `prepare` sets sizes, numbers, workspace and launch; types and accumulate are already set. Throws Unsupported.
struct OpEntry {
  const char* name;
  void (*prepare)(const NodeView& node, Prepared& p);
  bool low_precision = false;  // operands may have eight- and four-bit formats
};

// The tables of this folder's operations, one per file.
std::span<const OpEntry> elementwise_ops();
std::span<const OpEntry> row_ops();
std::span<const OpEntry> attention_ops();
std::span<const OpEntry> attention_backward_ops();
std::span<const OpEntry> product_ops();
std::span<const OpEntry> loss_ops();
std::span<const OpEntry> quantize_ops();
std::span<const OpEntry> scaling_ops();
std::span<const OpEntry> update_ops();

}  // namespace corral::cpu
