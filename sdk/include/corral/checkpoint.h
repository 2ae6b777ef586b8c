// A checkpoint format: stores files and the bytes of named tensors.
#pragma once

#include "corral/plugin.h"

namespace corral {

class CheckpointReader {
 public:
  virtual ~CheckpointReader() = default;
  virtual TensorList list() = 0;
  virtual CheckpointInfo info() = 0;
  // Called from any thread.
  virtual void read(uint64_t tensor, uint64_t offset, void* to, uint64_t size) = 0;
};

class CheckpointWriter {
 public:
  // Without a call of finish, discards the part.
  virtual ~CheckpointWriter() = default;
  // Called from any thread.
  virtual void write(uint64_t tensor, uint64_t offset, const void* data, uint64_t size) = 0;
  // Completes this part and closes its files.
  virtual void finish() = 0;
};

template <class OptionsMessage>
class Checkpoint {
 public:
  using Options = OptionsMessage;
  static constexpr const char* kKindId = CORRAL_CHECKPOINT_ID;
  virtual ~Checkpoint() = default;
  virtual Probe probe(const std::string& path) = 0;
  virtual std::unique_ptr<CheckpointReader> open(const Options& options, const CheckpointOpenRequest& request) = 0;
  // Begins one part of the request's `parts`. Throws Unsupported, with nothing written, if the format does not support parts.
  virtual std::unique_ptr<CheckpointWriter> create(const Options& options, const CheckpointWriteRequest& request) = 0;
  // Makes the finished parts one checkpoint; called once, after all of them.
  virtual void commit(const Options& options, const CheckpointWriteRequest& request) = 0;

  // Calls go through this base class, so the overrides of P may be private.
  template <class P>
  static Checkpoint& plugin() {
    return *detail::the<P>();
  }

  template <class P>
  static const void* table() {
    static const corral_checkpoint t{
        CORRAL_SIZE(corral_checkpoint),
        [](const char* path, const corral_sink* s) {
          return detail::guarded([&] { detail::reply_with(s, plugin<P>().probe(path).encode()); });
        },
        [](const void* q, uint64_t n, corral_reader** r) {
          return detail::guarded([&] {
            const auto request = CheckpointOpenRequest::decode(q, n);
            *r = reinterpret_cast<corral_reader*>(plugin<P>().open(Options::decode(request.options), request).release());
          });
        },
        [](corral_reader* r, const corral_sink* s) { return detail::guarded([&] { detail::reply_with(s, self(r)->list().encode()); }); },
        [](corral_reader* r, const corral_sink* s) { return detail::guarded([&] { detail::reply_with(s, self(r)->info().encode()); }); },
        [](corral_reader* r, uint64_t tensor, uint64_t offset, void* to, uint64_t size) {
          return detail::guarded([&] { self(r)->read(tensor, offset, to, size); });
        },
        [](corral_reader* r) { return detail::guarded([&] { delete self(r); }); },
        [](const void* q, uint64_t n, corral_writer** w) {
          return detail::guarded([&] {
            const auto request = CheckpointWriteRequest::decode(q, n);
            *w = reinterpret_cast<corral_writer*>(plugin<P>().create(Options::decode(request.options), request).release());
          });
        },
        [](corral_writer* w, uint64_t tensor, uint64_t offset, const void* data, uint64_t size) {
          return detail::guarded([&] { self(w)->write(tensor, offset, data, size); });
        },
        [](corral_writer* w) {
          return detail::guarded([&] {
            const std::unique_ptr<CheckpointWriter> writer(self(w));
            writer->finish();
          });
        },
        [](corral_writer* w) { return detail::guarded([&] { delete self(w); }); },
        [](const void* q, uint64_t n) {
          return detail::guarded([&] {
            const auto request = CheckpointWriteRequest::decode(q, n);
            plugin<P>().commit(Options::decode(request.options), request);
          });
        }};
    return &t;
  }

 private:
  static CheckpointReader* self(corral_reader* r) { return reinterpret_cast<CheckpointReader*>(r); }
  static CheckpointWriter* self(corral_writer* w) { return reinterpret_cast<CheckpointWriter*>(w); }
};

}  // namespace corral
