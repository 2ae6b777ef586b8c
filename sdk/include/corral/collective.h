// A collective: exchanges tensors between ranks, through communicators of some of a run's ranks.
#pragma once

#include <span>
#include <vector>

#include "corral/plugin.h"

namespace corral {

// Each function below fills a corral_exchange of its kind. `count` is in elements, as corral/abi.h says for each kind.
inline corral_exchange all_reduce(DType dtype, uint32_t reduction, const void* from, void* to, uint64_t count) {
  return {CORRAL_SIZE(corral_exchange), CORRAL_ALL_REDUCE, static_cast<uint32_t>(dtype), reduction, 0, count, from, to};
}
inline corral_exchange all_gather(DType dtype, const void* from, void* to, uint64_t count) {
  return {CORRAL_SIZE(corral_exchange), CORRAL_ALL_GATHER, static_cast<uint32_t>(dtype), 0, 0, count, from, to};
}
inline corral_exchange reduce_scatter(DType dtype, uint32_t reduction, const void* from, void* to, uint64_t count) {
  return {CORRAL_SIZE(corral_exchange), CORRAL_REDUCE_SCATTER, static_cast<uint32_t>(dtype), reduction, 0, count, from, to};
}
inline corral_exchange all_to_all(DType dtype, const void* from, void* to, uint64_t count) {
  return {CORRAL_SIZE(corral_exchange), CORRAL_ALL_TO_ALL, static_cast<uint32_t>(dtype), 0, 0, count, from, to};
}
inline corral_exchange send(DType dtype, const void* from, uint64_t count, uint32_t peer) {
  return {CORRAL_SIZE(corral_exchange), CORRAL_SEND, static_cast<uint32_t>(dtype), 0, peer, count, from, nullptr};
}
inline corral_exchange receive(DType dtype, void* to, uint64_t count, uint32_t peer) {
  return {CORRAL_SIZE(corral_exchange), CORRAL_RECEIVE, static_cast<uint32_t>(dtype), 0, peer, count, nullptr, to};
}

// An exchange of host memory in progress.
class PendingExchange {
 public:
  virtual ~PendingExchange() = default;
  // Waits until the exchange is done on this rank.
  virtual void finish() = 0;
};

// A collective for device memory overrides enqueue, one for host memory overrides start.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual void enqueue(const corral_exchange&, void* /*native_stream*/) { throw Unsupported("it exchanges host memory: start and finish"); }
  virtual std::unique_ptr<PendingExchange> start(const corral_exchange&) { throw Unsupported("it exchanges device memory: enqueue"); }
};

class CollectiveInstance {
 public:
  virtual ~CollectiveInstance() = default;
  virtual CollectiveInfo info() = 0;
  // Opens a communicator of these ranks of the run, ascending, with this rank among them. Waits for the others. Called from any thread.
  virtual std::unique_ptr<Communicator> communicator(std::span<const uint32_t> ranks) = 0;
};

template <class OptionsMessage>
class Collective {
 public:
  using Options = OptionsMessage;
  static constexpr const char* kKindId = CORRAL_COLLECTIVE_ID;
  virtual ~Collective() = default;
  // Joins the run without waiting for other ranks. Throws Unsupported if the request numbers the ranks but another library decides them.
  virtual std::unique_ptr<CollectiveInstance> open(const Options& options, const CollectiveOpen& request) = 0;

  // Calls go through this base class, so the overrides of P may be private.
  template <class P>
  static Collective& plugin() {
    return *detail::the<P>();
  }

  template <class P>
  static const void* table() {
    using I = corral_collective_instance;
    static const corral_collective t{
        CORRAL_SIZE(corral_collective),
        [](const void* r, uint64_t n, I** collective) {
          return detail::guarded([&] {
            const auto q = CollectiveOpen::decode(r, n);
            *collective = reinterpret_cast<I*>(plugin<P>().open(Options::decode(q.options), q).release());
          });
        },
        [](I* c, const corral_sink* s) { return detail::guarded([&] { detail::reply_with(s, self(c)->info().encode()); }); },
        [](I* c) { return detail::guarded([&] { delete self(c); }); },
        [](I* c, const uint32_t* ranks, uint64_t count, corral_communicator** communicator) {
          return detail::guarded([&] {
            *communicator = reinterpret_cast<corral_communicator*>(self(c)->communicator({ranks, count}).release());
          });
        },
        [](corral_communicator* c) { return detail::guarded([&] { delete self(c); }); },
        [](corral_communicator* c, const corral_exchange* exchange, void* native_stream) {
          return detail::guarded([&] { self(c)->enqueue(*exchange, native_stream); });
        },
        [](corral_communicator* c, const corral_exchange* exchange, corral_pending** pending) {
          return detail::guarded([&] { *pending = reinterpret_cast<corral_pending*>(self(c)->start(*exchange).release()); });
        },
        [](corral_pending* p) {
          return detail::guarded([&] {
            const std::unique_ptr<PendingExchange> pending(reinterpret_cast<PendingExchange*>(p));
            pending->finish();
          });
        }};
    return &t;
  }

 private:
  static CollectiveInstance* self(corral_collective_instance* c) { return reinterpret_cast<CollectiveInstance*>(c); }
  static Communicator* self(corral_communicator* c) { return reinterpret_cast<Communicator*>(c); }
};

}  // namespace corral
