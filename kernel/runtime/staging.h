// Copies between the host's own memory and a device that queues, through memory that the device copies at full speed.
#pragma once

#include <cstdint>
#include <vector>

#include "kernel/plugin/device.h"

namespace corral::runtime {

// A ring of parts, each busy until the event behind its copy has passed. Of a synchronous device: plain copies.
class Staging {
 public:
  Staging() = default;
  // `largest`: the most bytes that one copy will have.
  Staging(std::shared_ptr<const DeviceHandle> device, uint64_t largest);

  // Queues a copy to the device; `from` may be reused on return.
  void write(void* to, const void* from, uint64_t bytes, const DeviceStream& stream);
  // Copies from the device what is there after all that is queued.
  void read(void* to, const void* from, uint64_t bytes, const DeviceStream& stream);

 private:
  static constexpr uint64_t kRing = uint64_t{8} << 20;
  static constexpr size_t kParts = 64;  // copies on their way
  struct Part {
    DeviceEvent passed;
    uint64_t begin = 0;  // counted over all laps of the ring
    char* data = nullptr;
  };
  // Waits until the ring has room for these bytes: at most a quarter of it.
  Part& next(uint64_t bytes);

  std::shared_ptr<const DeviceHandle> device_;
  bool synchronous_ = true;
  DeviceMemory ring_;
  std::vector<Part> parts_;
  size_t oldest_ = 0, busy_ = 0;  // of parts_
  uint64_t end_ = 0;              // counted as Part::begin
};

}  // namespace corral::runtime
