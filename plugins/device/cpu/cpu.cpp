// The CPU as a device: every operation runs when it is launched, on the threads of OpenMP.
#include <omp.h>

#include "options.wire.h"
#include "plugins/device/cpu/kernel.h"

namespace {
using corral::cpu::OpEntry;
using corral::cpu::Prepared;

const OpEntry* find(std::string_view op) {
  using namespace corral::cpu;
  for (const auto& group : {elementwise_ops(), row_ops(), attention_ops(), product_ops(), loss_ops(), scaling_ops(), update_ops()})
    for (const OpEntry& entry : group)
      if (op == entry.name) return &entry;
  return nullptr;
}

class Kernel final : public corral::DeviceKernel {
 public:
  Prepared prepared;
  void launch(void* const* inputs, void* const* outputs, void* workspace, corral_stream*) override {
    prepared.launch(prepared, inputs, outputs, workspace);
  }
};

class Instance final : public corral::DeviceInstance {
 public:
  explicit Instance(int threads) : threads_(threads) { omp_set_num_threads(threads); }

  corral::DeviceInfo info() override {
    corral::DeviceInfo info;
    info.name = "cpu";
    info.instruction_set = __builtin_cpu_supports("avx512bf16") ? "avx512_bf16" : "avx2";
    info.threads = static_cast<uint32_t>(threads_);
    return info;
  }

  void supports(const corral::NodeView& node) override {
    if (!find(node.op())) throw corral::Unsupported(corral::format("device cpu has no operation \"{}\"", node.op()));
    for (uint32_t i = 0; i < node.num_inputs(); ++i) check(node, node.in(i));
    for (uint32_t i = 0; i < node.num_outputs(); ++i) check(node, node.out(i));
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
    find(node.op())->prepare(node, p);
    workspace = p.workspace;
    return kernel;
  }

 private:
  static void check(const corral::NodeView& node, const corral::Operand& operand) {
    using corral::DType;
    if (!operand) return;
    if (!operand.contiguous()) throw corral::Unsupported(corral::format("{}: device cpu takes contiguous operands only", node.op()));
    switch (operand.dtype()) {
      case DType::F32:
      case DType::BF16:
      case DType::F64:
      case DType::I32:
      case DType::I64:
        return;
      default:
        throw corral::Unsupported(corral::format("{}: device cpu has no type number {}", node.op(), operand.layout->dtype));
    }
  }
  int threads_;
};

class Cpu final : public corral::Device<corral::options::cpu::Options> {
 public:
  // The threads of OpenMP would outlive this library when it is unloaded.
  ~Cpu() override { omp_pause_resource_all(omp_pause_hard); }

 private:
  std::unique_ptr<corral::DeviceInstance> open(const Options& options, const corral::DeviceOpen& request) override {
    int64_t threads = request.threads ? request.threads : options.threads;
    if (threads < 0 || threads > 4096) corral::fail("device.threads = {}: expected 0 (all cores) to 4096", threads);
    if (threads == 0) threads = omp_get_num_procs();
    return std::make_unique<Instance>(static_cast<int>(threads));
  }
};
}  // namespace

CORRAL_PLUGIN(Cpu)
