// Runs what is queued on streams as late as the contract allows: on a thread of its own, and only up to what the host waits for.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "tests/conformance/queued_device/order.h"

namespace corral::queued {

struct Work {
  std::string name;
  std::function<void()> run;
  std::vector<Use> uses;
  const void* kernel = nullptr;
  const char* source = nullptr;  // of a copy
  uint64_t source_bytes = 0;
};

class Queues {
 public:
  Queues() : thread_([this] { run(); }) {}
  ~Queues();

  size_t open_stream();
  void close_stream(size_t stream);
  void queue(size_t stream, const Work& work);
  // Work that is queued between these is given back instead.
  void begin_recording(size_t stream);
  std::vector<Work> end_recording(size_t stream);

  Point record(size_t stream);
  void await(size_t stream, const Point& point);
  // On the host. Throws what the work of the stream threw.
  void wait(const Point& point);
  void wait_for_all(size_t stream) { wait(record(stream)); }
  bool passed(const Point& point);

  void allocated(const void* memory, uint64_t size);
  void freed(const void* memory);
  void released(const void* kernel);

 private:
  struct Item {
    Work work;
    Point awaited;  // where the work has no name
    std::vector<char> source;
  };
  struct Stream {
    bool open = false, recording = false;
    std::deque<Item> items;
    uint64_t queued = 0, done = 0, wanted = 0;  // counts of items
    std::vector<Work> recorded;
    std::exception_ptr error;
  };
  void run();
  void run_one(Stream& stream, std::unique_lock<std::mutex>& lock);
  Stream* next();
  void want(const Point& point);
  void refuse_while_recording(size_t stream, const char* what) const;
  void push(size_t stream, Item item);
  template <class Found>
  void for_each_queued(Found found) const;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Stream> streams_;
  std::map<const void*, uint64_t> sizes_;
  Order order_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace corral::queued
