// Host side of corral.checkpoint/1: a format, an open checkpoint, a checkpoint that is being written.
#pragma once

#include "kernel/plugin/instance.h"
#include "plugin.wire.h"

namespace corral {

class CheckpointReaderHandle {
 public:
  CheckpointReaderHandle(std::shared_ptr<const Plugin> plugin, corral_reader* reader)
      : reader_(std::move(plugin), reader, &corral_checkpoint::close, "close", "open") {}

  TensorList list() const {
    return decode_reply<TensorList>(plugin(), "list", invoke_for_reply(plugin(), &corral_checkpoint::list, "list", reader_.get()));
  }
  CheckpointInfo info() const {
    return decode_reply<CheckpointInfo>(plugin(), "info", invoke_for_reply(plugin(), &corral_checkpoint::info, "info", reader_.get()));
  }
  // Safe from any thread.
  void read(uint64_t tensor, uint64_t offset, void* to, uint64_t size) const {
    invoke(plugin(), &corral_checkpoint::read, "read", reader_.get(), tensor, offset, to, size);
  }
  const Plugin& plugin() const { return reader_.plugin(); }

 private:
  Instance<corral_reader, corral_checkpoint> reader_;
};

// Writes one part of a checkpoint. Unless it is finished, everything written is discarded.
class CheckpointWriterHandle {
 public:
  // `request` is encoded.
  CheckpointWriterHandle(std::shared_ptr<const Plugin> plugin, corral_writer* writer, std::string request)
      : writer_(std::move(plugin), writer, &corral_checkpoint::discard, "discard", "create"), request_(std::move(request)) {}

  // Safe from any thread.
  void write(uint64_t tensor, uint64_t offset, const void* data, uint64_t size) const {
    invoke(plugin(), &corral_checkpoint::write, "write", writer_.get(), tensor, offset, data, size);
  }
  void finish() { invoke_control(plugin(), &corral_checkpoint::finish, "finish", writer_.release()); }
  // Call once for all parts, after each has finished.
  void commit() const { invoke_control(plugin(), &corral_checkpoint::commit, "commit", request_.data(), request_.size()); }
  const Plugin& plugin() const { return writer_.plugin(); }

 private:
  Instance<corral_writer, corral_checkpoint> writer_;
  std::string request_;
};

class CheckpointFormat {
 public:
  // `options` are encoded; if empty, the plugin's defaults apply.
  explicit CheckpointFormat(std::shared_ptr<const Plugin> plugin, std::string options = "")
      : plugin_(std::move(plugin)), options_(std::move(options)) {}

  Probe probe(const std::string& path) const {
    return decode_reply<Probe>(*plugin_, "probe", invoke_for_reply(*plugin_, &corral_checkpoint::probe, "probe", path.c_str()));
  }
  CheckpointReaderHandle open(const std::string& path) const {
    CheckpointOpenRequest request;
    request.path = path;
    request.options = options_;
    request.parts = 1;
    const std::string bytes = request.encode();
    corral_reader* reader = nullptr;
    invoke_control(*plugin_, &corral_checkpoint::open, "open", bytes.data(), bytes.size(), &reader);
    return {plugin_, reader};
  }
  // `path` is an existing folder. Throws Unsupported, with nothing written, if the format does not support parts.
  CheckpointWriterHandle create(const std::string& path, CheckpointWriteRequest request, uint32_t part = 0, uint32_t parts = 1) const {
    request.path = path;
    request.options = options_;
    request.part = part;
    request.parts = parts;
    std::string bytes = request.encode();
    corral_writer* writer = nullptr;
    invoke_control(*plugin_, &corral_checkpoint::create, "create", bytes.data(), bytes.size(), &writer);
    return {plugin_, writer, std::move(bytes)};
  }
  const Plugin& plugin() const { return *plugin_; }

 private:
  std::shared_ptr<const Plugin> plugin_;
  std::string options_;
};

}  // namespace corral
