// Host side of corral.collective/1: the ranks of a run, communicators over some of them, exchanges.
#pragma once

#include <vector>

#include "kernel/plugin/instance.h"
#include "plugin.wire.h"

namespace corral {

// A started exchange of host memory. Its memory is lent until it is finished.
class PendingExchangeHandle {
 public:
  PendingExchangeHandle(std::shared_ptr<const Plugin> plugin, corral_pending* pending)
      : pending_(std::move(plugin), pending, &corral_collective::finish, "finish", "start") {}
  void finish() { invoke(pending_.plugin(), &corral_collective::finish, "finish", pending_.release()); }

 private:
  Instance<corral_pending, corral_collective> pending_;
};

class CommunicatorHandle {
 public:
  CommunicatorHandle(std::shared_ptr<const Plugin> plugin, corral_communicator* communicator)
      : communicator_(std::move(plugin), communicator, &corral_collective::communicator_close, "communicator_close", "communicator_open") {}

  // Queues an exchange on a device's native stream. Throws Unsupported if the collective works on host memory.
  void enqueue(const corral_exchange& exchange, void* native_stream) const {
    invoke(communicator_.plugin(), &corral_collective::enqueue, "enqueue", communicator_.get(), &exchange, native_stream);
  }
  // Starts an exchange of host memory. Throws Unsupported if the collective works on device memory.
  PendingExchangeHandle start(const corral_exchange& exchange) const {
    corral_pending* pending = nullptr;
    invoke(communicator_.plugin(), &corral_collective::start, "start", communicator_.get(), &exchange, &pending);
    return {communicator_.shared_plugin(), pending};
  }

 private:
  Instance<corral_communicator, corral_collective> communicator_;
};

class CollectiveHandle {
 public:
  static CollectiveHandle open(std::shared_ptr<const Plugin> plugin, const CollectiveOpen& request) {
    const std::string bytes = request.encode();
    corral_collective_instance* collective = nullptr;
    invoke_control(*plugin, &corral_collective::open, "open", bytes.data(), bytes.size(), &collective);
    return CollectiveHandle(std::move(plugin), collective);
  }

  CollectiveInfo info() const {
    return decode_reply<CollectiveInfo>(plugin(), "info", invoke_for_reply(plugin(), &corral_collective::info, "info", collective_.get()));
  }
  // Waits for the other ranks of the list; any thread.
  CommunicatorHandle communicator(const std::vector<uint32_t>& ranks) const {
    corral_communicator* communicator = nullptr;
    invoke(plugin(), &corral_collective::communicator_open, "communicator_open", collective_.get(), ranks.data(), ranks.size(),
           &communicator);
    return {collective_.shared_plugin(), communicator};
  }
  const Plugin& plugin() const { return collective_.plugin(); }

 private:
  CollectiveHandle(std::shared_ptr<const Plugin> plugin, corral_collective_instance* collective)
      : collective_(std::move(plugin), collective, &corral_collective::close, "close", "open") {}
  Instance<corral_collective_instance, corral_collective> collective_;
};

}  // namespace corral
