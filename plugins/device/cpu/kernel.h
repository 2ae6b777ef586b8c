// One prepared node: what a file of ops/ provides for each operation.
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

// Everything a launch needs, without an address.
struct Prepared {
  Launch launch = nullptr;
  Context context;
  int64_t sizes[8] = {};  // what they mean is the operation's to say
  double numbers[6] = {};
  std::vector<double> list;
  DType in[12] = {}, out[6] = {};
  uint32_t accumulate = 0;
  uint64_t workspace = 0;
  // Threads for so many numbers: waking others takes longer than a few.
  int team(int64_t numbers) const { return numbers < 1 << 14 ? 1 : context.threads; }
  bool adds(int output) const { return accumulate >> output & 1; }
};

// Fills sizes, numbers, workspace and launch; types and accumulate are filled already. Throws Unsupported.
struct OpEntry {
  const char* name;
  void (*prepare)(const NodeView& node, Prepared& p);
  bool low_precision = false;  // its operands may have formats of eight and four bits
};

// All operations of this folder.
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
