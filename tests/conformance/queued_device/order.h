// The judge of the queued device: what is queued on streams, which events order it, and which memory it reads and writes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace corral::queued {

// Prints the message and ends the process with exit code 70, as a host that breaks the contract cannot continue.
[[noreturn]] void blame(const std::string& sentence);

struct Range {
  uintptr_t begin = 0, end = 0;
  Range(const void* data, uint64_t bytes) : begin(reinterpret_cast<uintptr_t>(data)), end(begin + bytes) {}
  bool meets(const Range& other) const { return begin < other.end && other.begin < end; }
  bool within(const Range& other) const { return other.begin <= begin && end <= other.end; }
};

// Memory that a piece of work uses; `what` names it: "input 0".
struct Use {
  Range range;
  bool writes;
  std::string what;
};

// By stream: how many of its first pieces of work are known to run before.
using Clock = std::vector<uint64_t>;

// The end of a stream's work at some time, and all that runs before it.
struct Point {
  size_t stream = 0;
  uint64_t position = 0;
  Clock before;
};

class Order {
 public:
  void open_stream(size_t stream);
  // The next piece of work of a stream. Fails where it uses memory that nothing orders: another stream writes it, or still reads what this
  // one writes, and no awaited event and no wait of the host is between them.
  void work(size_t stream, uint64_t position, const std::string& name, const std::vector<Use>& uses);
  Point point(size_t stream, uint64_t position) const;
  void await(size_t stream, const Point& point);
  void host_waited(const Point& point);

  void allocated(const Range& range);
  void freed(const Range& range);
  bool is_allocated(const Range& range) const;
  // True if queued work may write the range, as far as the host knows.
  bool may_be_written(const Range& range) const;

 private:
  struct Access {
    size_t stream = 0;
    uint64_t position = 0;  // 0: none
    std::shared_ptr<const std::string> name;
  };
  struct Segment {
    uintptr_t end;
    Access writer;
    std::vector<Access> readers;  // since it was written, one a stream
  };
  bool is_before(const Access& a, const Clock& clock) const { return a.position <= clock[a.stream]; }
  void forget(const Range& range);
  void split(uintptr_t at);
  void use(const Use& use, const Access& by, const Clock& clock);

  Clock host_;                             // work that the host has waited for
  std::vector<Clock> streams_;             // work that precedes the next work of each stream
  std::map<uintptr_t, Segment> segments_;  // by begin
  std::vector<Range> memory_;
};

}  // namespace corral::queued
