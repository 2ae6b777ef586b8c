#include "tests/conformance/queued_device/queues.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "corral/error.h"

namespace corral::queued {

Queues::~Queues() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

size_t Queues::open_stream() {
  const std::lock_guard lock(mutex_);
  size_t i = 0;
  while (i < streams_.size() && streams_[i].open) ++i;
  if (i == streams_.size()) streams_.emplace_back();
  streams_[i].open = true;
  streams_[i].error = nullptr;
  order_.open_stream(i);
  return i;
}

void Queues::close_stream(size_t stream) {
  const std::lock_guard lock(mutex_);
  Stream& s = streams_[stream];
  if (!s.items.empty()) blame(format("a stream is closed before {} has run", s.items.front().work.name));
  order_.host_waited(order_.point(stream, s.queued));
  s.open = false;
}

void Queues::queue(size_t stream, const Work& work) {
  const std::lock_guard lock(mutex_);
  Stream& s = streams_[stream];
  if (s.recording) return s.recorded.push_back(work);
  Item item{work, {}, {}};
  const Range source(work.source, work.source_bytes);
  // The host must leave alone what a copy will read; what queued work writes first is not there yet.
  if (work.source && !order_.may_be_written(source)) item.source.assign(work.source, work.source + work.source_bytes);
  for (const Use& u : work.uses)
    if (work.kernel && u.range.begin < u.range.end && !order_.is_allocated(u.range))
      blame(format("{}: its {} is not in memory of this device", work.name, u.what));
  order_.work(stream, s.queued + 1, work.name, work.uses);
  push(stream, std::move(item));
}

void Queues::begin_recording(size_t stream) {
  const std::lock_guard lock(mutex_);
  refuse_while_recording(stream, "is asked to record");
  streams_[stream].recording = true;
}

std::vector<Work> Queues::end_recording(size_t stream) {
  const std::lock_guard lock(mutex_);
  if (!streams_[stream].recording) blame("record_end of a stream that does not record");
  streams_[stream].recording = false;
  return std::exchange(streams_[stream].recorded, {});
}

Point Queues::record(size_t stream) {
  const std::lock_guard lock(mutex_);
  refuse_while_recording(stream, "has an event recorded, or is waited for,");
  return order_.point(stream, streams_[stream].queued);
}

void Queues::await(size_t stream, const Point& point) {
  const std::lock_guard lock(mutex_);
  refuse_while_recording(stream, "awaits an event");
  order_.await(stream, point);
  push(stream, {{}, point, {}});
}

void Queues::wait(const Point& point) {
  std::unique_lock lock(mutex_);
  want(point);
  Stream& s = streams_[point.stream];
  changed_.wait(lock, [&] { return s.done >= point.position; });
  order_.host_waited(point);
  if (s.error) std::rethrow_exception(s.error);
}

bool Queues::passed(const Point& point) {
  const std::lock_guard lock(mutex_);
  want(point);
  if (streams_[point.stream].done < point.position) return false;
  order_.host_waited(point);
  return true;
}

void Queues::allocated(const void* memory, uint64_t size) {
  const std::lock_guard lock(mutex_);
  sizes_[memory] = size;
  order_.allocated({memory, size});
}

void Queues::freed(const void* memory) {
  const std::lock_guard lock(mutex_);
  const auto it = sizes_.find(memory);
  if (it == sizes_.end()) blame("memory is freed that was not allocated here, or twice");
  const Range range(memory, it->second);
  for_each_queued([&](const Work& work) {
    for (const Use& u : work.uses)
      if (u.range.meets(range))
        blame(format("{} bytes are freed before {} has run, which uses them as its {}", it->second, work.name, u.what));
  });
  order_.freed(range);
  sizes_.erase(it);
}

void Queues::released(const void* kernel) {
  const std::lock_guard lock(mutex_);
  for_each_queued([&](const Work& work) {
    if (work.kernel == kernel) blame(format("a kernel is released before {} has run", work.name));
  });
}

template <class Found>
void Queues::for_each_queued(Found found) const {
  for (const Stream& s : streams_)
    for (const Item& item : s.items) found(item.work);
}

void Queues::refuse_while_recording(size_t stream, const char* what) const {
  if (streams_[stream].recording) blame(format("a stream {} while it records", what));
}

void Queues::push(size_t stream, Item item) {
  streams_[stream].items.push_back(std::move(item));
  ++streams_[stream].queued;
}

void Queues::want(const Point& point) {
  streams_[point.stream].wanted = std::max(streams_[point.stream].wanted, point.position);
  changed_.notify_all();
}

void Queues::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (Stream* stream = next())
      run_one(*stream, lock);
    else if (stop_)
      return;
    else
      changed_.wait(lock);
  }
}

// A stream that is waited for, or one whose event such a stream awaits.
Queues::Stream* Queues::next() {
  for (bool again = true; again;) {
    again = false;
    for (Stream& s : streams_) {
      if (s.done >= s.wanted) continue;
      const Item& item = s.items.front();
      if (!item.work.name.empty()) return &s;
      Stream& other = streams_[item.awaited.stream];
      if (other.done >= item.awaited.position) return &s;
      again = again || other.wanted < item.awaited.position;
      other.wanted = std::max(other.wanted, item.awaited.position);
    }
  }
  return nullptr;
}

void Queues::run_one(Stream& s, std::unique_lock<std::mutex>& lock) {
  const Item& item = s.items.front();
  if (!item.work.name.empty() && !s.error) {
    lock.unlock();
    if (!item.source.empty() && std::memcmp(item.source.data(), item.work.source, item.source.size()) != 0)
      blame(format("{}: its source was changed before it ran; it belongs to the stream until then", item.work.name));
    std::exception_ptr error;
    try {
      item.work.run();
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    s.error = error;
  }
  s.items.pop_front();
  ++s.done;
  changed_.notify_all();
}

}  // namespace corral::queued
