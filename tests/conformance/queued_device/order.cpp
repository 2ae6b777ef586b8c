#include "tests/conformance/queued_device/order.h"

#include <unistd.h>

#include <algorithm>

#include "corral/error.h"

namespace corral::queued {
namespace {

void join(Clock& a, const Clock& b) {
  a.resize(std::max(a.size(), b.size()));
  for (size_t i = 0; i < b.size(); ++i) a[i] = std::max(a[i], b[i]);
}

}  // namespace

void blame(const std::string& sentence) {
  const std::string line = "queued device: " + sentence + "\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
  _exit(70);
}

void Order::open_stream(size_t stream) {
  if (streams_.size() <= stream) streams_.resize(stream + 1);
  host_.resize(streams_.size());
  for (Clock& clock : streams_) clock.resize(streams_.size());
}

void Order::work(size_t stream, uint64_t position, const std::string& name, const std::vector<Use>& uses) {
  Clock& clock = streams_[stream];
  join(clock, host_);
  const Access by{stream, position, std::make_shared<const std::string>(name)};
  for (const Use& u : uses)
    if (u.range.begin < u.range.end) use(u, by, clock);
  clock[stream] = position;
}

Point Order::point(size_t stream, uint64_t position) const { return {stream, position, streams_[stream]}; }

void Order::await(size_t stream, const Point& point) { join(streams_[stream], point.before); }

void Order::host_waited(const Point& point) { join(host_, point.before); }

void Order::forget(const Range& range) {
  split(range.begin);
  split(range.end);
  segments_.erase(segments_.lower_bound(range.begin), segments_.lower_bound(range.end));
}

void Order::allocated(const Range& range) {
  forget(range);
  memory_.push_back(range);
}

void Order::freed(const Range& range) {
  forget(range);
  std::erase_if(memory_, [&](const Range& r) { return r.begin == range.begin; });
}

bool Order::is_allocated(const Range& range) const {
  return std::any_of(memory_.begin(), memory_.end(), [&](const Range& r) { return range.within(r); });
}

bool Order::may_be_written(const Range& range) const {
  auto it = segments_.upper_bound(range.begin);
  if (it != segments_.begin()) --it;
  for (; it != segments_.end() && it->first < range.end; ++it)
    if (it->second.end > range.begin && !is_before(it->second.writer, host_)) return true;
  return false;
}

void Order::split(uintptr_t at) {
  auto it = segments_.upper_bound(at);
  if (it == segments_.begin()) return;
  --it;
  if (it->first == at || it->second.end <= at) return;
  segments_.emplace_hint(std::next(it), at, it->second);
  it->second.end = at;
}

void Order::use(const Use& u, const Access& by, const Clock& clock) {
  const auto check = [&](const Access& other, const char* does) {
    if (other.stream != by.stream && !is_before(other, clock))
      blame(format("{} {} its {} ({} bytes) while {} {} it on another stream: it awaits no event that is recorded behind that", *by.name,
                   u.writes ? "writes" : "reads", u.what, u.range.end - u.range.begin, *other.name, does));
  };
  split(u.range.begin);
  split(u.range.end);
  auto it = segments_.lower_bound(u.range.begin);
  for (uintptr_t at = u.range.begin; at < u.range.end; ++it) {
    if (it == segments_.end() || it->first > at)
      it = segments_.emplace_hint(it, at, Segment{it == segments_.end() ? u.range.end : std::min(u.range.end, it->first), {}, {}});
    Segment& s = it->second;
    at = s.end;
    check(s.writer, "writes");
    if (u.writes) {
      for (const Access& reader : s.readers) check(reader, "reads");
      s.readers.clear();
      s.writer = by;
      continue;
    }
    std::erase_if(s.readers, [&](const Access& reader) { return reader.stream == by.stream; });
    s.readers.push_back(by);
  }
}

}  // namespace corral::queued
