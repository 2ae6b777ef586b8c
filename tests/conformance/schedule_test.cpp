// Actions on several streams and slots, on a device: the same bits as one after the other.
#include <gtest/gtest.h>

#include "kernel/graph/cases.h"
#include "kernel/passes/autodiff.h"
#include "kernel/runtime/session.h"
#include "tests/conformance/on_device.h"
#include "tests/unit/passes_small_model.h"
#include "tests/unit/random_schedule.h"

namespace corral {
namespace {

class Schedules : public OnDevice {};

using Bytes = std::map<std::string, std::vector<unsigned char>>;

// Losses of each slot and gradients after three runs of the schedule.
Bytes run(const Graph& g, const plan::Schedule& schedule) {
  graph::Interpreter start(g);
  fill_small_model(g, start);
  runtime::Session session(load_device(CORRAL_DEVICE), {{"graph", g}}, [&](const runtime::Prepared&) { return schedule; });
  session.allocate();
  const auto put = [&](TensorId t, size_t slot) {
    const auto bytes = graph::to_bytes(start[t], g.tensors[t].dtype);
    session.write(session.tensor("graph", t, slot), bytes.data(), bytes.size());
  };
  for (const State& s : g.states)
    if (s.kind == StateKind::PARAMETER) put(s.tensor, 0);
  const size_t program = session.program("graph", [](const Node&) { return true; });
  for (int i = 0; i < 3; ++i) {
    for (const Port& p : g.inputs)
      for (size_t slot = 0; slot < schedule.slots; ++slot) put(p.tensor, slot);
    session.run(program);
  }
  Bytes result;
  const auto get = [&](TensorId t, size_t slot) {
    std::vector<unsigned char>& bytes = result[format("{} {}", name_of(g, t), slot)];
    bytes.resize(session.tensor("graph", t, slot).bytes());
    session.read(session.tensor("graph", t, slot), bytes.data(), bytes.size());
  };
  for (size_t slot = 0; slot < schedule.slots; ++slot) get(find_port(g, g.outputs, "losses"), slot);
  for (const State& s : g.states)
    if (s.kind == StateKind::GRADIENT) get(s.tensor, 0);
  return result;
}

TEST_F(Schedules, OnStreamsAndSlotsGiveTheBitsOfOneStream) {
  const Graph g = passes::autodiff(small_model());
  for (uint64_t seed = 0; seed < 12; ++seed) {
    const auto slots = static_cast<uint32_t>(1 + seed / 2 % 3);
    const plan::Schedule many = random_schedule(g, seed, 3, slots, slots + seed % 2);
    plan::Schedule one = many;
    one.streams = 1;
    for (plan::Action& a : one.actions) a.stream = 0, a.waits.clear();
    EXPECT_EQ(run(g, many), run(g, one)) << "seed " << seed;
  }
}

// Keeps what is sent for who receives, in memory of the device.
class Mailbox final : public runtime::Exchange {
 public:
  explicit Mailbox(const DeviceHandle& device) : device_(device), memory_(device.allocate(256)) {}
  void enqueue(const plan::Action& action, std::span<const runtime::TensorRef> tensors, const DeviceStream& stream) override {
    peers.push_back(action.peer);
    const runtime::TensorRef& t = tensors[0];
    if (action.kind == plan::ActionKind::kSend) device_.copy(memory_.data(), t.address, t.bytes(), stream);
    if (action.kind == plan::ActionKind::kReceive) device_.copy(t.address, memory_.data(), t.bytes(), stream);
  }
  std::vector<uint32_t> peers;

 private:
  const DeviceHandle& device_;
  DeviceMemory memory_;
};

TEST_F(Schedules, ExchangeAndCopyTensorsOnAStreamOfTheirOwn) {
  Graph g;
  GraphBuilder b(g);
  const TensorId x = b.input("x", DType::F32, {4}), sent = b.tensor("sent", DType::F32, {4}),
                 received = b.tensor("received", DType::F32, {4}), copied = b.tensor("copied", DType::F32, {4}),
                 y = b.tensor("y", DType::F32, {4});
  b.node("add", {x, x}, {sent});
  b.node("fill", {x}, {received}, {{"value", attribute(0.0)}});
  b.node("fill", {x}, {copied}, {{"value", attribute(0.0)}});
  b.node("mul", {received, copied}, {y});
  b.output("y", y);
  using enum plan::ActionKind;
  plan::Schedule s;
  s.streams = 2;
  s.actions = {{.nodes = {0, 1, 2}},
               {.kind = kSend, .from = sent, .peer = 5, .stream = 1, .waits = {0}},
               {.kind = kReceive, .to = received, .peer = 6, .stream = 1},
               {.kind = kCopy, .from = received, .to = copied, .stream = 1},
               {.nodes = {3}, .waits = {3}}};
  const auto device = load_device(CORRAL_DEVICE);
  Mailbox mailbox(*device);
  runtime::Session session(
      device, {{"graph", g}}, [&](const runtime::Prepared&) { return s; }, &mailbox);
  session.allocate();
  const size_t program = session.program("graph", [](const Node&) { return true; });
  for (float value = 1; value < 4; ++value) {
    std::vector<float> values(4, value);
    session.write(session.input("graph", "x"), values.data(), sizeof(float) * 4);
    session.run(program);
    session.read(session.output("graph", "y"), values.data(), sizeof(float) * 4);
    EXPECT_EQ(values[3], 4 * value * value);
  }
  EXPECT_EQ(mailbox.peers, (std::vector<uint32_t>{5, 6, 5, 6, 5, 6}));
}

TEST_F(Schedules, AnExchangeWithoutOtherRanksIsRefused) {
  Graph g;
  GraphBuilder b(g);
  b.output("x", b.input("x", DType::F32, {4}));
  plan::Schedule s;
  s.actions = {{.kind = plan::ActionKind::kReceive, .to = g.inputs[0].tensor}};
  runtime::Session session(load_device(CORRAL_DEVICE), {{"graph", g}}, [&](const runtime::Prepared&) { return s; });
  session.allocate();
  EXPECT_THROW(session.program("graph", [](const Node&) { return true; }), Error);
}

TEST_F(Schedules, EqualNodesOfAllLayersAndGraphsShareOneKernel) {
  const Graph few = passes::autodiff(small_model(false, 6, 2)), many = passes::autodiff(small_model(false, 6, 7));
  const auto device = load_device(CORRAL_DEVICE);
  const runtime::Session a(device, {{"few", few}}), b(device, {{"few", few}, {"many", many}});
  EXPECT_LT(a.kernels(), few.nodes.size() * 2 / 3);
  EXPECT_EQ(a.kernels(), b.kernels());
}

}  // namespace
}  // namespace corral
