#include "kernel/plugin/device.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "bin/validate/check.h"
#include "bin/validate/device_conformance.h"
#include "corral/error.h"
#include "kernel/graph/op.h"

namespace corral::validate {
namespace {

std::shared_ptr<const DeviceHandle> open(const Subject& s, const std::shared_ptr<const Plugin>& plugin, std::string choices = "") {
  DeviceOpen request;
  request.options = s.options();
  request.threads = 2;
  request.choices = std::move(choices);
  return std::make_shared<const DeviceHandle>(DeviceHandle::open(plugin, request));
}

void exercise(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const auto device = open(s, plugin);
  device->info();
  const validate::Conformance c = validate::check_operation(device, graph::find_op("swiglu"));
  if (!c.failures.empty()) fail_check("{}", c.failures.front());
}

// A device may offer any choice of operations; the offered ones must be right.
Outcome operations(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  size_t offered = 0, runs = 0, wrong = 0;
  double largest = 0;
  std::string missing, failure;
  const auto device = open(s, plugin);
  for (const graph::OpDef* op : graph::all_ops()) {
    if (op->exchange) continue;  // an exchange between ranks: a device alone cannot run it
    const validate::Conformance c = validate::check_operation(device, *op);
    runs += c.runs;
    largest = std::max(largest, c.largest_error);
    if (c.runs == 0 && !c.failures.empty()) {
      missing += " " + op->name;
      continue;
    }
    ++offered;
    wrong += c.failures.size();
    if (failure.empty() && !c.failures.empty()) failure = c.failures.front();
  }
  if (wrong) return failed(format("{} deviations from the float64 reference, the first: {}", wrong, failure));
  if (offered == 0) return failed("it offers no operation");
  return pass(format("{} operations, {} runs, largest error {}", offered, runs, largest) +
              (missing.empty() ? "" : "; not offered:" + missing));
}

Outcome memory(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const auto device = open(s, plugin);
  const uint32_t said = device->info().alignment, alignment = said == 0 ? 64 : said;
  if (alignment < 64 || (alignment & (alignment - 1)) != 0)
    return failed(format("it aligns memory to {}: expected a power of two from 64 on", alignment));
  const DeviceStream stream = device->open_stream();
  const DeviceEvent event = device->open_event();
  const std::string out(1000, 'x');
  std::string back(1000, ' ');
  for (const uint64_t size : {uint64_t{1000}, uint64_t{1}, uint64_t{1} << 20}) {
    const DeviceMemory memory = device->allocate(size);
    if (reinterpret_cast<uintptr_t>(memory.data()) % alignment != 0)
      return failed(format("{} bytes are not aligned to {}", size, alignment));
    const uint64_t n = std::min<uint64_t>(size, out.size());
    device->copy(memory.data(), out.data(), n, stream);
    event.record(stream);
    event.await(stream);
    device->copy(back.data(), memory.data(), n, stream);
    stream.wait();
    if (!event.passed()) return failed("an event of a stream that was waited for has not passed");
    if (std::memcmp(back.data(), out.data(), n) != 0) return failed("bytes copied to the device come back changed");
    device->zero(memory.data(), n, stream);
    device->copy(back.data(), memory.data(), n, stream);
    stream.wait();
    if (back.find_first_not_of('\0') < n) return failed("memory set to zero is not zero");
    event.record(stream);
    event.wait();
    if (!event.passed()) return failed("an event that was waited for has not passed");
  }
  return pass();
}

// Recorded work runs at each replay, and only then.
Outcome recording(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const auto device = open(s, plugin);
  const DeviceStream stream = device->open_stream();
  const DeviceMemory memory = device->allocate(128);
  const std::string out(64, 'x'), other(64, 'y');
  std::string back(64, ' ');
  const auto now = [&] {
    device->copy(back.data(), memory.data(), back.size(), stream);
    stream.wait();
    return back;
  };
  device->copy(memory.data() + 64, out.data(), out.size(), stream);
  device->copy(memory.data(), other.data(), other.size(), stream);
  stream.wait();
  if (!stream.record_begin()) return skip("it does not record");
  device->copy(memory.data(), memory.data() + 64, 64, stream);
  const DeviceRecording recording = stream.record_end();
  if (now() != other) return failed("recorded work runs at once");
  for (int again = 0; again < 2; ++again) {
    recording.replay(stream);
    if (now() != out) return failed("a replay does not run the recorded work");
    device->copy(memory.data(), other.data(), other.size(), stream);
    stream.wait();
  }
  return pass();
}

// Between two records the device's clock advances, and not faster than the host's.
Outcome clock(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const auto device = open(s, plugin);
  const DeviceStream stream = device->open_stream();
  const DeviceEvent first = device->open_event(), second = device->open_event();
  const DeviceMemory memory = device->allocate(1 << 20);
  const auto begin = std::chrono::steady_clock::now();
  first.record(stream);
  device->zero(memory.data(), memory.size(), stream);
  second.record(stream);
  stream.wait();
  const double most = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  try {
    if (const double seconds = second.seconds_since(first); !(seconds >= 0 && seconds <= most))
      return failed(format("it counts {} seconds between two events that were recorded within {}", seconds, most));
    if (const double seconds = first.seconds_since(second); !(seconds <= 0))
      return failed(format("from an event to an earlier one it counts {} seconds", seconds));
  } catch (const Unsupported&) {
    return skip("it has no clock");
  }
  return pass();
}

// Kernels of an operation that every model has: y = silu(gate) up.
Outcome kernels(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const auto device = open(s, plugin);
  const int64_t shape[] = {4, 64};
  const corral_layout layout{CORRAL_SIZE(corral_layout), static_cast<uint32_t>(DType::F32), 2, shape, nullptr};
  const corral_layout *inputs[] = {&layout, &layout}, *outputs[] = {&layout};
  const corral_node node{CORRAL_SIZE(corral_node), "swiglu", 2, 1, 0, 0, inputs, outputs, nullptr};
  if (!device->supports(node)) return skip("it does not offer swiglu");
  try {
    const KernelInfo info = device->prepare(node).info();
    if (info.library.empty()) return failed("it does not say whose kernel runs swiglu");
    constexpr double kBytes = 3 * 4 * 64 * 4;
    if (!(info.flops > 0 && info.bytes >= kBytes))
      return failed(format("a swiglu moves {} bytes, but it reports {} operations on {} bytes", kBytes, info.flops, info.bytes));
    return pass(info.library + (info.choice.empty() ? "" : ", " + info.choice));
  } catch (const Unsupported&) {
    return skip("it says nothing of its kernels");
  }
}

// Choices are made when a node is prepared and run.
Outcome choices(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const auto device = open(s, plugin);
  validate::check_operation(device, graph::find_op("swiglu"));
  const std::string choices = device->choices();
  if (open(s, plugin, choices)->choices() != choices) return failed("opened with its own choices, it makes others");
  return pass(format("{} bytes", choices.size()));
}

constexpr Check kChecks[] = {
    {"device.operations", "each operation that it offers equals the float64 reference in every case", with_plugin<operations>},
    {"device.memory", "memory, copies, streams and events keep their contract", with_plugin<memory>},
    {"device.clock", "the time between two events is the time of the work between them", with_plugin<clock>},
    {"device.kernels", "it reports whose kernel runs a node, and how much work that does", with_plugin<kernels>},
    {"device.choices", "opened with the choices of an earlier run, it makes the same", with_plugin<choices>},
    {"device.recording", "recorded work runs when it is replayed, once for each replay", with_plugin<recording>},
};

}  // namespace

extern const Kind kind_device;
const Kind kind_device{"device", CORRAL_DEVICE_ID, CORRAL_SIZE(corral_device), exercise, kChecks};

}  // namespace corral::validate
