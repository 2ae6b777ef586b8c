// An asynchronous device: adds classes for streams, events and recordings to the classes of device.h.
#pragma once

#include "corral/device.h"

namespace corral {

class Stream;

// Recorded work of a stream, which can run again.
class Recording {
 public:
  virtual ~Recording() = default;
  // Runs the recorded work on `stream`; allocates nothing.
  virtual void replay(Stream& stream) = 0;
};

// Runs its work in order. The host calls a stream from one thread at a time, and destroys it when it is idle.
class Stream {
 public:
  virtual ~Stream() = default;
  // Waits on the host until all work of the stream has run.
  virtual void wait() = 0;
  // Returns the stream's handle in the device's own libraries, such as a cudaStream_t.
  virtual void* native() { throw Unsupported("this device has no native streams"); }
  // From record_begin to record_end, launches, copies and zeros are recorded instead of run. A device overrides both or neither.
  virtual void record_begin() { throw Unsupported("this device does not record"); }
  virtual std::unique_ptr<Recording> record_end() { throw Unsupported("this device does not record"); }

  // Returns the stream that was passed to a launch, copy or zero.
  static Stream& of(corral_stream* stream) { return *reinterpret_cast<Stream*>(stream); }
};

// A point in the work of a stream. `passed`, `wait` and `seconds_since` are called from any thread.
class Event {
 public:
  virtual ~Event() = default;
  // Records the event at the present end of the stream's work, in place of an earlier record.
  virtual void record(Stream& stream) = 0;
  // Makes later work of the stream wait for the record.
  virtual void await(Stream& stream) = 0;
  virtual bool passed() = 0;
  // Waits on the host until the record has passed.
  virtual void wait() = 0;
  // Seconds by the device's clock from the record of `from` to this event's record. Both have passed.
  virtual double seconds_since(Event& /*from*/) { throw Unsupported("this device has no clock"); }
};

class StreamDeviceInstance : public DeviceInstance {
 public:
  virtual std::unique_ptr<Stream> open_stream() = 0;
  virtual std::unique_ptr<Event> open_event() = 0;

  // These add work to Stream::of(stream), as DeviceKernel::launch does.
  void copy(void* to, const void* from, uint64_t size, corral_stream* stream) override = 0;
  void zero(void* to, uint64_t size, corral_stream* stream) override = 0;
};

template <class OptionsMessage>
class StreamDevice : public Device<OptionsMessage> {
 public:
  virtual std::unique_ptr<StreamDeviceInstance> open_queueing(const OptionsMessage& options, const DeviceOpen& request) = 0;

  template <class P>
  static const void* table() {
    static const corral_device t = with_streams(*static_cast<const corral_device*>(Device<OptionsMessage>::template table<P>()));
    return &t;
  }

 private:
  std::unique_ptr<DeviceInstance> open(const OptionsMessage& options, const DeviceOpen& request) final {
    return open_queueing(options, request);
  }

  static StreamDeviceInstance* self(corral_device_instance* d) {
    return static_cast<StreamDeviceInstance*>(reinterpret_cast<DeviceInstance*>(d));
  }
  static Event& event_of(corral_event* event) { return *reinterpret_cast<Event*>(event); }

  static corral_device with_streams(corral_device t) {
    t.stream_open = [](corral_device_instance* d, corral_stream** stream) {
      return detail::guarded([&] { *stream = reinterpret_cast<corral_stream*>(self(d)->open_stream().release()); });
    };
    t.stream_wait = [](corral_stream* s) { return detail::guarded([&] { Stream::of(s).wait(); }); };
    t.stream_close = [](corral_stream* s) { return detail::guarded([&] { delete &Stream::of(s); }); };
    t.native_stream = [](corral_stream* s, void** native) { return detail::guarded([&] { *native = Stream::of(s).native(); }); };
    t.event_open = [](corral_device_instance* d, corral_event** event) {
      return detail::guarded([&] { *event = reinterpret_cast<corral_event*>(self(d)->open_event().release()); });
    };
    t.event_record = [](corral_event* e, corral_stream* s) { return detail::guarded([&] { event_of(e).record(Stream::of(s)); }); };
    t.event_await = [](corral_event* e, corral_stream* s) { return detail::guarded([&] { event_of(e).await(Stream::of(s)); }); };
    t.event_query = [](corral_event* e, uint32_t* done) { return detail::guarded([&] { *done = event_of(e).passed(); }); };
    t.event_wait = [](corral_event* e) { return detail::guarded([&] { event_of(e).wait(); }); };
    t.event_seconds = [](corral_event* from, corral_event* to, double* seconds) {
      return detail::guarded([&] { *seconds = event_of(to).seconds_since(event_of(from)); });
    };
    t.event_close = [](corral_event* e) { return detail::guarded([&] { delete &event_of(e); }); };
    t.record_begin = [](corral_stream* s) { return detail::guarded([&] { Stream::of(s).record_begin(); }); };
    t.record_end = [](corral_stream* s, corral_recording** recording) {
      return detail::guarded([&] { *recording = reinterpret_cast<corral_recording*>(Stream::of(s).record_end().release()); });
    };
    t.replay = [](corral_recording* r, corral_stream* s) {
      return detail::guarded([&] { reinterpret_cast<Recording*>(r)->replay(Stream::of(s)); });
    };
    t.recording_close = [](corral_recording* r) { return detail::guarded([&] { delete reinterpret_cast<Recording*>(r); }); };
    return t;
  }
};

}  // namespace corral
