#include "kernel/runtime/executor.h"

#include "corral/error.h"

namespace corral::runtime {
namespace {
using plan::Action;
using plan::ActionKind;
}  // namespace

Executor::Executor(const DeviceHandle& device, std::vector<void*> workspaces, Exchange* exchange)
    : device_(&device), exchange_(exchange), records_(!device.info().synchronous), workspaces_(std::move(workspaces)) {
  for (size_t s = 0; s < workspaces_.size(); ++s) {
    streams_.push_back(device.open_stream());
    reached_.push_back(device.open_event());
  }
}

size_t Executor::add(const Graph& g, const plan::Schedule& schedule, const Binding& binding) {
  Program p;
  std::vector<bool> waited_for(schedule.actions.size());
  for (const Action& a : schedule.actions)
    for (const uint32_t w : a.waits) waited_for[w] = true;
  for (size_t i = 0; i < schedule.actions.size(); ++i) {
    Step step;
    step.action = schedule.actions[i];
    Action& a = step.action;
    std::erase_if(a.nodes, [&](uint32_t n) { return !binding.chosen(n); });
    const auto tensor = [&](TensorId t) { return t ? binding.tensor(t, a.slot) : TensorRef(); };
    const auto addresses = [&](const std::vector<TensorId>& operands) {
      std::vector<void*> result;
      for (const TensorId t : operands) result.push_back(tensor(t).address);
      return result;
    };
    if (a.kind == ActionKind::kRun) {
      for (const uint32_t n : a.nodes)
        step.launches.push_back({&binding.kernel(n), addresses(g.nodes[n].inputs), addresses(g.nodes[n].outputs)});
    } else if (a.kind == ActionKind::kCollective) {
      for (const uint32_t n : a.nodes)
        for (const auto* operands : {&g.nodes[n].inputs, &g.nodes[n].outputs})
          for (const TensorId t : *operands) step.tensors.push_back(tensor(t));
    } else {
      for (const TensorId t : {a.from, a.to})
        if (t) step.tensors.push_back(tensor(t));
    }
    if (a.kind == ActionKind::kCopy && (step.tensors.size() != 2 || step.tensors[0].bytes() != step.tensors[1].bytes()))
      fail_bug("executor: a copy between tensors of different sizes");
    if (a.kind != ActionKind::kRun && a.kind != ActionKind::kCopy && !exchange_)
      fail_bug("executor: an exchange with other ranks, but no collective");
    if (waited_for[i]) step.done = device_->open_event();
    p.streams = std::max(p.streams, a.stream + 1);
    p.steps.push_back(std::move(step));
  }
  programs_.push_back(std::move(p));
  return programs_.size() - 1;
}

void Executor::run(size_t program) {
  Program& p = programs_[program];
  if (p.streams > 1) reached_[0].record(streams_[0]);
  for (uint32_t s = 1; s < p.streams; ++s) reached_[0].await(streams_[s]);
  for (Step& step : p.steps) {
    const DeviceStream& stream = streams_[step.action.stream];
    for (const uint32_t w : step.action.waits) p.steps[w].done.await(stream);
    perform(step, p.ran);
    if (step.done) step.done.record(stream);
  }
  for (uint32_t s = 1; s < p.streams; ++s) {
    reached_[s].record(streams_[s]);
    reached_[s].await(streams_[0]);
  }
  p.ran = true;
}

void Executor::perform(Step& step, bool again) {
  const DeviceStream& stream = streams_[step.action.stream];
  switch (step.action.kind) {
    case ActionKind::kRun:
      return launch(step, again);
    case ActionKind::kCopy:
      return device_->copy(step.tensors[1].address, step.tensors[0].address, step.tensors[0].bytes(), stream);
    case ActionKind::kCollective:
    case ActionKind::kSend:
    case ActionKind::kReceive:
      if (!step.tensors.empty()) exchange_->enqueue(step.action, step.tensors, stream);
  }
}

// The first time every kernel is launched by itself: a device may load what it needs. The second time the launches are recorded.
void Executor::launch(Step& step, bool again) {
  const DeviceStream& stream = streams_[step.action.stream];
  if (!step.recording && again && records_ && step.launches.size() > 1 && (records_ = stream.record_begin())) {
    try {
      launch_each(step);
    } catch (...) {
      stream.record_end();
      throw;
    }
    step.recording = stream.record_end();
  }
  if (step.recording)
    step.recording.replay(stream);
  else
    launch_each(step);
}

void Executor::launch_each(const Step& step) const {
  const uint32_t s = step.action.stream;
  for (const Launch& l : step.launches) l.kernel->launch(l.inputs.data(), l.outputs.data(), workspaces_[s], streams_[s]);
}

size_t Executor::recorded() const {
  size_t count = 0;
  for (const Program& p : programs_)
    for (const Step& step : p.steps) count += static_cast<bool>(step.recording);
  return count;
}

void Executor::wait() const {
  for (const DeviceStream& stream : streams_) stream.wait();
}

}  // namespace corral::runtime
