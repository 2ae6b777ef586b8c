// The CPU as a device: each operation runs when it is launched, on the threads of OpenMP.
#include <omp.h>
#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "corral/graph.h"
#include "corral/x86_level.h"
#include "options.wire.h"
#include "plugins/device/cpu/free_memory.h"
#include "plugins/device/cpu/level.h"

namespace {
using corral::cpu::OpEntry;
using corral::cpu::Prepared;

struct Level {
  const char* name;
  const OpEntry* (*find)(std::string_view op);
  bool here;  // the machine supports it
};

// The level named by CORRAL_CPU, else the best that the machine supports.
Level choose_level() {
  const Level levels[] = {
      {"avx512_bf16", corral::cpu::corral_dispatch_avx512_bf16, corral::has_x86_level(4) && __builtin_cpu_supports("avx512bf16") != 0},
      {"avx2", corral::cpu::corral_dispatch_avx2, true}};
  std::string there;
  for (const Level& level : levels)
    if (level.here) there += (there.empty() ? "" : ", ") + std::string(level.name);
  const char* asked = std::getenv("CORRAL_CPU");
  for (const Level& level : levels) {
    if (asked && *asked ? level.name != std::string_view(asked) : !level.here) continue;
    if (!level.here) corral::fail_environment("CORRAL_CPU = \"{}\": this machine does not have it; it has {}", asked, there);
    return level;
  }
  corral::fail("CORRAL_CPU = \"{}\": no such instruction set; this machine has {}", asked, there);
}

class Kernel final : public corral::DeviceKernel {
 public:
  Prepared prepared;
  corral::KernelInfo about;
  corral::KernelInfo info() override { return about; }
  void launch(void* const* inputs, void* const* outputs, void* workspace, corral_stream*) override {
    prepared.launch(prepared, inputs, outputs, workspace);
  }
};

class Instance final : public corral::DeviceInstance {
 public:
  Instance(int threads, const Level& level) : threads_(threads), level_(level) {}

  corral::DeviceInfo info() override {
    corral::DeviceInfo info;
    info.name = "cpu";
    info.instruction_set = level_.name;
    info.threads = static_cast<uint32_t>(threads_);
    info.memory_bytes = corral::cpu::free_memory();
    info.synchronous = true;
    info.alignment = 64;
    return info;
  }

  void supports(const corral::NodeView& node) override {
    const OpEntry* entry = level_.find(node.op());
    if (!entry) throw corral::Unsupported(corral::format("device cpu has no operation \"{}\"", node.op()));
    for (uint32_t i = 0; i < node.num_inputs(); ++i) check(node, node.in(i), entry->low_precision);
    for (uint32_t i = 0; i < node.num_outputs(); ++i) check(node, node.out(i), entry->low_precision);
  }

  std::unique_ptr<corral::DeviceKernel> prepare(const corral::NodeView& node, uint64_t& workspace) override {
    supports(node);
    auto kernel = std::make_unique<Kernel>();
    Prepared& p = kernel->prepared;
    p.context.threads = threads_;
    if (node.num_inputs() > std::size(p.in) || node.num_outputs() > std::size(p.out)) corral::fail_bug("{}: too many operands", node.op());
    for (uint32_t i = 0; i < node.num_inputs(); ++i) p.in[i] = node.in(i) ? node.in(i).dtype() : corral::DType::DTYPE_NONE;
    for (uint32_t i = 0; i < node.num_outputs(); ++i) {
      p.out[i] = node.out(i) ? node.out(i).dtype() : corral::DType::DTYPE_NONE;
      p.accumulate |= static_cast<uint32_t>(node.accumulates(i)) << i;
    }
    level_.find(node.op())->prepare(node, p);
    kernel->about = about(node);
    workspace = p.workspace;
    return kernel;
  }

  // Pages of 2 MiB, if the system has them: with pages of 4 KiB the processor waits for address translation.
  void* allocate(uint64_t size, uint32_t) override {
    constexpr uint64_t kPage = uint64_t{2} << 20;
    const uint64_t alignment = size < kPage ? 64 : kPage;
    void* memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (!memory && size) throw corral::NoSpace(corral::format("out of memory: {} bytes", size));
    if (size >= kPage) madvise(memory, size, MADV_HUGEPAGE);
    return memory;
  }

 private:
  // A product with axes m, n, k has operands of mk, nk and mn elements, so its 2mnk operations are twice the root of their product.
  corral::KernelInfo about(const corral::NodeView& node) const {
    corral::KernelInfo info;
    info.library = "corral";
    info.choice = level_.name;
    double all = 1, most = 0;
    const auto add = [&](const corral::Operand& operand) {
      if (!operand) return;
      const auto count = static_cast<double>(operand.elements());
      info.bytes += static_cast<double>(corral::bytes_of(operand.dtype(), operand.elements()));
      all *= count;
      most = std::max(most, count);
    };
    for (uint32_t i = 0; i < node.num_inputs(); ++i) add(node.in(i));
    for (uint32_t i = 0; i < node.num_outputs(); ++i) add(node.out(i));
    info.flops = node.op() == "product" ? 2 * std::sqrt(all) : most;
    return info;
  }
  static void check(const corral::NodeView& node, const corral::Operand& operand, bool low_precision) {
    using corral::DType;
    if (!operand) return;
    if (!operand.contiguous()) throw corral::Unsupported(corral::format("{}: device cpu needs contiguous operands", node.op()));
    switch (operand.dtype()) {
      case DType::F32:
      case DType::BF16:
      case DType::F64:
      case DType::I32:
      case DType::I64:
        return;
      case DType::F8_E4M3:
      case DType::F8_E5M2:
      case DType::F8_E8M0:
      case DType::F4_E2M1:
        if (low_precision) return;
        [[fallthrough]];
      default:
        throw corral::Unsupported(corral::format("{}: device cpu does not support type number {}", node.op(), operand.layout->dtype));
    }
  }
  int threads_;
  Level level_;
};

class Cpu final : public corral::Device<corral::options::cpu::Options> {
 public:
  // Ends OpenMP's threads, which would outlive this library when it is unloaded.
  ~Cpu() override { omp_pause_resource_all(omp_pause_hard); }

 private:
  std::unique_ptr<corral::DeviceInstance> open(const Options& options, const corral::DeviceOpen& request) override {
    int64_t threads = request.threads ? request.threads : options.threads;
    if (threads < 0 || threads > 4096) corral::fail("device.threads = {}: expected 0 (all cores) to 4096", threads);
    if (threads == 0) threads = omp_get_num_procs();
    return std::make_unique<Instance>(static_cast<int>(threads), choose_level());
  }
};
}  // namespace

CORRAL_PLUGIN(Cpu)
