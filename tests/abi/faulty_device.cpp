// A device of the host with one operation, swiglu in float32, and two algorithms for it of which it measures the better. It breaks its
// contract in the way that $CORRAL_TEST_FAULT says.
#include <cmath>
#include <cstdlib>

#include "corral/device.h"

namespace {
using namespace corral;

struct NoOptions {
  static NoOptions decode(const std::string&) { return {}; }
};

bool fault(const std::string& name) {
  const char* chosen = std::getenv("CORRAL_TEST_FAULT");
  return chosen && name == chosen;
}

class SwiGlu final : public DeviceKernel {
 public:
  SwiGlu(int64_t count, bool accumulates, std::string choice) : count_(count), accumulates_(accumulates), choice_(std::move(choice)) {}
  KernelInfo info() override {
    KernelInfo info;
    info.library = fault("a kernel of nobody") ? "" : "faulty";
    info.choice = choice_;
    info.flops = static_cast<double>(4 * count_);
    info.bytes = fault("a free kernel") ? 0 : static_cast<double>(12 * count_);
    return info;
  }
  void launch(void* const* inputs, void* const* outputs, void*, corral_stream*) override {
    const auto *gate = static_cast<const float*>(inputs[0]), *up = static_cast<const float*>(inputs[1]);
    auto* y = static_cast<float*>(outputs[0]);
    for (int64_t i = 0; i < count_; ++i) {
      const double value = static_cast<double>(gate[i]) / (1 + std::exp(-static_cast<double>(gate[i]))) * up[i];
      y[i] = static_cast<float>(accumulates_ ? y[i] + value : value);
    }
  }

 private:
  int64_t count_;
  bool accumulates_;
  std::string choice_;
};

class Instance final : public DeviceInstance {
 public:
  explicit Instance(std::string choices) : choices_(std::move(choices)) {}
  DeviceInfo info() override {
    DeviceInfo info;
    info.name = "faulty";
    info.synchronous = true;
    info.alignment = fault("a large alignment") ? 1 << 30 : fault("an odd alignment") ? 65 : 64;
    return info;
  }
  void supports(const NodeView& node) override {
    if (node.op() != "swiglu") throw Unsupported("this device has swiglu only");
    for (const Operand& o : {node.in(0), node.in(1), node.out(0)})
      if (!o || o.dtype() != DType::F32 || !o.contiguous()) throw Unsupported("this device has float32 only");
  }
  std::unique_ptr<DeviceKernel> prepare(const NodeView& node, uint64_t&) override {
    supports(node);
    if (choices_.empty()) choices_ = "second of two";
    return std::make_unique<SwiGlu>(node.out(0).elements(), node.accumulates(0), choices_);
  }
  std::string choices() override { return fault("choose anew") ? choices_ + "!" : choices_; }

 private:
  std::string choices_;
};

class Faulty final : public Device<NoOptions> {
 public:
  template <class P>
  static const void* table() {
    static const corral_device t = [] {
      corral_device base = *static_cast<const corral_device*>(Device<NoOptions>::table<P>());
      if (fault("a clock that jumps"))
        base.event_seconds = [](corral_event*, corral_event*, double* seconds) {
          *seconds = 1000;
          return corral_status{CORRAL_OK};
        };
      return base;
    }();
    return &t;
  }

 private:
  std::unique_ptr<DeviceInstance> open(const NoOptions&, const DeviceOpen& request) override {
    return std::make_unique<Instance>(request.choices);
  }
};
}  // namespace

CORRAL_PLUGIN(Faulty)
