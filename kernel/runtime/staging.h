// Copies between the host's own memory and a device that queues, through memory that the device copies at full speed.
#pragma once

#include <cstdint>
#include <vector>

#include "kernel/plugin/device.h"

namespace corral::runtime {

// A ring of parts; a part is busy until the event after its copy is reached. A synchronous device needs no ring and copies directly.
class Staging {
 public:
  Staging() = default;
  // `largest` is the size of the largest copy, in bytes.
  Staging(std::shared_ptr<const DeviceHandle> device, uint64_t largest);

  // Queues a copy to the device; `from` may be reused on return.
  void write(void* to, const void* from, uint64_t bytes, const DeviceStream& stream);
  // Copies from the device, after all queued work.
  void read(void* to, const void* from, uint64_t bytes, const DeviceStream& stream);

 private:
  static constexpr uint64_t kRing = uint64_t{8} << 20;
  static constexpr size_t kParts = 64;  // copies in flight
  struct Part {
    DeviceEvent passed;
    uint64_t begin = 0;  // counted over all laps of the ring
    char* data = nullptr;
  };
  // Waits until the ring has room for this many bytes; they are at most a quarter of the ring.
  Part& next(uint64_t bytes);

  std::shared_ptr<const DeviceHandle> device_;
  bool synchronous_ = true;
  DeviceMemory ring_;
  std::vector<Part> parts_;
  size_t oldest_ = 0, busy_ = 0;  // of parts_
  uint64_t end_ = 0;              // counted as Part::begin
};

}  // namespace corral::runtime
