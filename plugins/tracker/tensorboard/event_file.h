#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace corral::tensorboard {

struct Scalar {
  std::string_view tag;
  double value;
};

// Writes an event file: TFRecords (length, masked CRC-32C, bytes, masked CRC-32C; little-endian) of tensorflow.Event messages. Each event
// is passed to the system in one write. Throws Error (3) if writing fails.
class EventFile {
 public:
  // Creates folder/events.out.tfevents.SECONDS.HOST.PID.N.
  EventFile(const std::string& folder, double wall_time);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  const std::string& path() const { return path_; }
  void scalars(double wall_time, int64_t step, const std::vector<Scalar>& values);
  void text(double wall_time, int64_t step, std::string_view tag, std::string_view content);

 private:
  void write_event();
  std::string path_;
  int file_ = -1;
  std::string value_, summary_, event_, record_;  // reused, so that a step allocates nothing
};

}  // namespace corral::tensorboard
