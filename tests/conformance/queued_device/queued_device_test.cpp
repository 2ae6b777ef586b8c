// The queued device: it computes what device/cpu computes, and names the operation where the host breaks the contract.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "kernel/passes/autodiff.h"
#include "kernel/runtime/readback.h"
#include "tests/conformance/load_device.h"
#include "tests/unit/passes_small_model.h"
#include "tests/unit/random_schedule.h"

namespace corral {
namespace {

constexpr int64_t kElements = 64;
constexpr uint64_t kBytes = kElements * sizeof(float);

std::shared_ptr<const DeviceHandle> open_queued() { return load_device(CORRAL_QUEUED_DEVICE); }

// A node with two inputs and one output of kElements each.
PreparedKernel prepare(const DeviceHandle& device, const char* op) {
  const corral_layout layout{CORRAL_SIZE(corral_layout), static_cast<uint32_t>(DType::F32), 1, &kElements, nullptr};
  const corral_layout* const operands[] = {&layout, &layout};
  return device.prepare({CORRAL_SIZE(corral_node), op, 2, 1, 0, 0, operands, operands, nullptr});
}

// Two streams on three tensors: x[2] = x[0] * x[1] on one, x[1] = x[2] + x[2] on the other.
struct Two {
  std::shared_ptr<const DeviceHandle> device = open_queued();
  PreparedKernel mul = prepare(*device, "mul"), add = prepare(*device, "add");
  DeviceMemory memory = device->allocate(3 * kBytes);
  DeviceStream first = device->open_stream(), second = device->open_stream();
  DeviceEvent event = device->open_event();
  void* x[3] = {memory.data(), memory.data() + kBytes, memory.data() + 2 * kBytes};
  std::vector<float> values = std::vector<float>(3 * kElements, 3);

  Two() {
    device->copy(memory.data(), values.data(), 3 * kBytes, first);
    first.wait();
  }
  void multiply() {
    void* const in[] = {x[0], x[1]};
    mul.launch(in, &x[2], nullptr, first);
  }
  void add_up(const DeviceStream& stream) {
    void* const in[] = {x[2], x[2]};
    add.launch(in, &x[1], nullptr, stream);
  }
  float result(int tensor) {
    device->copy(values.data(), x[tensor], kBytes, second);
    second.wait();
    return values[0];
  }
};

class QueuedDevice : public testing::Test {
 protected:
  QueuedDevice() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  static testing::ExitedWithCode blamed() { return testing::ExitedWithCode(70); }
};

TEST_F(QueuedDevice, RunsNothingBeforeTheHostWaits) {
  Two t;
  t.multiply();
  EXPECT_NE(static_cast<float*>(t.x[2])[0], 9);
  t.first.wait();
  EXPECT_EQ(static_cast<float*>(t.x[2])[0], 9);
}

TEST_F(QueuedDevice, RunsWhatAnAwaitedEventOrders) {
  Two t;
  t.multiply();
  t.event.record(t.first);
  t.event.await(t.second);
  t.add_up(t.second);
  EXPECT_EQ(t.result(1), 18);
}

TEST_F(QueuedDevice, TakesAWaitOfTheHostAsOrder) {
  Two t;
  t.multiply();
  t.event.record(t.first);
  t.event.wait();
  EXPECT_TRUE(t.event.passed());
  t.add_up(t.second);
  EXPECT_EQ(t.result(1), 18);
}

TEST_F(QueuedDevice, NamesAKernelThatReadsBeforeTheEventItShouldAwait) {
  EXPECT_EXIT(
      {
        Two t;
        t.multiply();
        t.event.record(t.first);
        t.add_up(t.second);
      },
      blamed(), "add reads its input 0 \\(256 bytes\\) while mul writes it on another stream");
}

TEST_F(QueuedDevice, NamesAKernelThatOverwritesWhatAnotherStreamStillReads) {
  EXPECT_EXIT(
      {
        Two t;
        t.event.record(t.first);
        t.multiply();
        t.event.await(t.second);  // recorded too early: before the product
        t.device->zero(t.x[1], kBytes, t.second);
      },
      blamed(), "zero of 256 bytes writes its target \\(256 bytes\\) while mul reads it on another stream");
}

TEST_F(QueuedDevice, NamesACopyWhoseSourceIsReused) {
  EXPECT_EXIT(
      {
        Two t;
        t.device->copy(t.x[0], t.values.data(), kBytes, t.first);
        t.values[7] = 4;
        t.first.wait();
      },
      blamed(), "copy of 256 bytes: its source was changed before it ran");
}

TEST_F(QueuedDevice, NamesWorkWhoseMemoryOrKernelIsFreed) {
  EXPECT_EXIT(
      {
        Two t;
        t.multiply();
        t.memory = {};
      },
      blamed(), "768 bytes are freed before mul has run, which uses them as its input 0");
  EXPECT_EXIT(
      {
        Two t;
        t.multiply();
        t.mul = {};
      },
      blamed(), "a kernel is released before mul has run");
  EXPECT_EXIT(
      {
        Two t;
        t.memory = {};
        t.multiply();
      },
      blamed(), "mul: its input 0 is not in memory of this device");
}

TEST_F(QueuedDevice, RecordsWorkAndReplaysItAsOftenAsAsked) {
  Two t;
  ASSERT_TRUE(t.first.record_begin());
  t.multiply();
  t.add_up(t.first);
  const DeviceRecording recording = t.first.record_end();
  t.first.wait();
  EXPECT_EQ(static_cast<float*>(t.x[1])[0], 3);
  for (const float expected : {18.0f, 108.0f}) {
    recording.replay(t.first);
    t.first.wait();
    EXPECT_EQ(t.result(1), expected);
  }
}

TEST_F(QueuedDevice, NamesAnEventInsideARecording) {
  EXPECT_EXIT(
      {
        Two t;
        t.first.record_begin();
        t.event.record(t.first);
      },
      blamed(), "while it records");
}

// A session copies from a buffer that its owner changes as soon as that is allowed.
TEST_F(QueuedDevice, SessionsTakeBytesWhoseOwnerReusesThemAtOnce) {
  const Graph g = small_model();
  runtime::Session session(open_queued(), {{"node", g}});
  session.allocate();
  const runtime::TensorRef embedding = session.state("embedding");
  std::vector<float> values(embedding.bytes() / sizeof(float)), back(values.size());
  std::iota(values.begin(), values.end(), 0.0f);
  const std::vector<float> expected = values;
  // There are more copies than the session has staging slots.
  for (size_t i = 0; i < values.size(); ++i) {
    session.write_bytes(embedding, i * sizeof(float), &values[i], sizeof(float));
    values[i] = -1;
  }
  runtime::Readback readback(session, {embedding, embedding});
  readback.queue();
  session.read(embedding, back.data(), embedding.bytes());
  EXPECT_EQ(back, expected);
  readback.await();
  EXPECT_EQ(std::memcmp(readback.data(1), expected.data(), embedding.bytes()), 0);
}

TEST_F(QueuedDevice, ATensorLargerThanTheRingArrivesWhole) {
  Graph g;
  GraphBuilder b(g);
  b.state("big", DType::F32, {5 << 20}, {});
  runtime::Session session(open_queued(), {{"node", g}});
  session.allocate();
  std::vector<float> values(5 << 20), back(values.size());
  std::iota(values.begin(), values.end(), 0.0f);
  session.write(session.state("big"), values.data(), values.size() * sizeof(float));
  session.read(session.state("big"), back.data(), back.size() * sizeof(float));
  EXPECT_EQ(back, values);
}

// Without staging, a session's copy would read the bytes of their owner directly.
TEST_F(QueuedDevice, NamesASessionsBufferThatIsNotStaged) {
  EXPECT_EXIT(
      {
        runtime::Session session(open_queued(), {{"node", small_model()}});
        session.allocate();
        const runtime::TensorRef embedding = session.state("embedding");
        for (float value = 0; value < 2; ++value) session.device().copy(embedding.address, &value, sizeof value, session.stream());
        session.wait();
      },
      blamed(), "copy of 4 bytes: its source was changed");
}

// Runs the actions of `schedule` in memory that is planned for those of `planned`, so many times. Returns how many of them are recorded
// then.
size_t run(const Graph& g, const plan::Schedule& schedule, const plan::Schedule& planned, int times = 1) {
  const auto device = open_queued();
  runtime::KernelTable kernels(device);
  uint64_t workspace = 0;
  for (uint32_t n = 0; n < g.nodes.size(); ++n) workspace = std::max(workspace, kernels.prepare(g, n).workspace());
  const plan::Arena arena = plan::plan_arena({{&g, &planned}}, std::vector<uint64_t>(schedule.streams, workspace));
  const DeviceMemory memory = device->allocate(arena.total);
  std::vector<void*> workspaces;
  for (const uint64_t offset : arena.workspaces) workspaces.push_back(memory.data() + offset);
  runtime::Executor executor(*device, workspaces, nullptr);
  device->zero(memory.data(), arena.total, executor.stream());
  const size_t program =
      executor.add(g, schedule,
                   {[](uint32_t) { return true; }, [&](uint32_t n) -> const PreparedKernel& { return kernels.prepare(g, n); },
                    [&](TensorId t, uint32_t slot) {
                      return runtime::TensorRef{memory.data() + arena.offset(0, t, slot), g.tensors[t].dtype, g.tensors[t].shape};
                    }});
  for (int i = 0; i < times; ++i) executor.run(program);
  executor.wait();
  return executor.recorded();
}

TEST_F(QueuedDevice, AnActionIsRecordedWhenItRunsTheSecondTime) {
  const Graph g = passes::autodiff(small_model());
  const plan::Schedule schedule = random_schedule(g, 1, 2, 2, 3);
  const auto several = [](const plan::Action& a) { return a.nodes.size() > 1; };
  EXPECT_EQ(run(g, schedule, schedule, 1), 0u);
  EXPECT_EQ(run(g, schedule, schedule, 3), static_cast<size_t>(std::count_if(schedule.actions.begin(), schedule.actions.end(), several)));
}

TEST_F(QueuedDevice, NamesAWaitThatAScheduleForgets) {
  const Graph g = passes::autodiff(small_model());
  const plan::Schedule right = random_schedule(g, 1, 2, 2, 3);
  run(g, right, right);
  EXPECT_EXIT(
      for (size_t forgotten = 0; forgotten < 30; ++forgotten) {
        const plan::Schedule wrong = random_schedule(g, 1, 2, 2, 3, forgotten);
        run(g, wrong, wrong);
      },
      blamed(), "on another stream: it awaits no event");
}

TEST_F(QueuedDevice, NamesATensorWhoseLifeWasPlannedTooShort) {
  const Graph g = passes::autodiff(small_model());
  const plan::Schedule schedule = random_schedule(g, 1, 2, 2, 3);
  plan::Schedule one_stream = schedule;
  for (plan::Action& a : one_stream.actions) a.stream = 0;
  EXPECT_EXIT(run(g, schedule, one_stream), blamed(), "on another stream: it awaits no event");
}

}  // namespace
}  // namespace corral
