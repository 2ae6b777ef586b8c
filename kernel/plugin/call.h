// Calls into plugins: the status becomes an exception, the reply bytes or a message.
#pragma once

#include <memory>
#include <mutex>
#include <protozero/exception.hpp>
#include <string>
#include <utility>

#include "corral/abi.h"
#include "corral/error.h"
#include "kernel/plugin/host.h"
#include "kernel/plugin/plugin.h"

namespace corral {

// Throws unless `status` is CORRAL_OK: Unsupported, NoSpace, or Error with the exit code of the status and the plugin's sentence. A status
// that the ABI does not have, and an error without a sentence, are reported as the plugin's fault.
void check(corral_status status, const Plugin& plugin, const char* function);

namespace detail {
// Reports an exception that left a plugin. None may; it gets this far only if both sides share a C++ runtime.
[[noreturn]] void fail_escaped(const Plugin& plugin, const char* function);
[[noreturn]] void fail_reply(const Plugin& plugin, const char* function, const char* why);

class MarkCall {
 public:
  MarkCall(const Plugin& plugin, const char* function) noexcept
      : before_(std::exchange(current_call, {plugin.label().c_str(), plugin.interface_name().c_str(), function})) {
    clear_sentence();
  }
  ~MarkCall() { current_call = before_; }

 private:
  CallMark before_;
};
}  // namespace detail

// If set, memory that is lent to a plugin is overwritten when the call returns, and a sink that is used later ends the process with a line
// that says so. Set in debug builds and in validation.
extern bool enforce_lifetimes;
// Frees lent memory that is kept for a while after its call.
void free_lent();

// A request as it is lent. If lifetimes are enforced, it is a copy that is overwritten after the call.
class LentRequest {
 public:
  explicit LentRequest(const std::string& bytes);
  ~LentRequest();
  LentRequest(const LentRequest&) = delete;
  LentRequest& operator=(const LentRequest&) = delete;
  const char* data() const { return copy_ ? copy_->data() : bytes_.data(); }

 private:
  const std::string& bytes_;
  std::shared_ptr<std::string> copy_;
};

// The reply of one call. Refuses bytes beyond the cap.
class ReplySink {
 public:
  static constexpr uint64_t kDefaultCap = uint64_t{1} << 29;
  explicit ReplySink(uint64_t cap = kDefaultCap);
  ~ReplySink();
  ReplySink(const ReplySink&) = delete;
  ReplySink& operator=(const ReplySink&) = delete;
  const corral_sink* get() const { return lent_ ? lent_.get() : &sink_; }
  bool refused() const { return refused_; }
  std::string take() { return std::move(bytes_); }

 private:
  static corral_status write(const corral_sink* sink, const void* data, uint64_t size) noexcept;
  corral_sink sink_;
  std::shared_ptr<corral_sink> lent_;  // if lifetimes are enforced
  std::mutex mutex_;                   // a sink is [any]
  std::string bytes_;
  uint64_t cap_;
  bool refused_ = false;
};

// The only test of a table's members: true if the table is large enough to have `member` and the member is not null.
template <class Table, class... P>
bool has(const Table& table, corral_status (*Table::*member)(P...)) {
  const auto end = reinterpret_cast<const char*>(&(table.*member) + 1) - reinterpret_cast<const char*>(&table);
  return table.struct_size >= static_cast<uint64_t>(end) && table.*member != nullptr;
}

// Calls a function of the plugin's table and returns the bare status; CORRAL_UNSUPPORTED if the table does not have the function.
template <class Table, class... P, class... A>
corral_status status_of_call(const Plugin& plugin, corral_status (*Table::*member)(P...), const char* function, A&&... arguments) {
  const Table& table = plugin.table<Table>();
  if (!has(table, member)) {
    clear_sentence();
    return CORRAL_UNSUPPORTED;
  }
  const detail::MarkCall mark(plugin, function);
  try {
    return (table.*member)(std::forward<A>(arguments)...);
  } catch (...) {
    detail::fail_escaped(plugin, function);
  }
}

// The same, checked: invoke(plugin, &corral_tracker::log, "log", instance, data, size).
template <class Table, class... P, class... A>
void invoke(const Plugin& plugin, corral_status (*Table::*member)(P...), const char* function, A&&... arguments) {
  check(status_of_call(plugin, member, function, std::forward<A>(arguments)...), plugin, function);
}

// For [control] functions: never two at once in one plugin.
template <class Table, class... P, class... A>
void invoke_control(const Plugin& plugin, corral_status (*Table::*member)(P...), const char* function, A&&... arguments) {
  const std::lock_guard lock(plugin.control());
  invoke(plugin, member, function, std::forward<A>(arguments)...);
}

// A function whose last argument is the reply's sink.
template <class Table, class... P, class... A>
std::string invoke_for_reply(const Plugin& plugin, corral_status (*Table::*member)(P...), const char* function, A&&... arguments) {
  ReplySink reply;
  const corral_status status = status_of_call(plugin, member, function, std::forward<A>(arguments)..., reply.get());
  if (reply.refused()) detail::fail_reply(plugin, function, "its reply is too large");
  check(status, plugin, function);
  return reply.take();
}

// A cold-path function, bytes to bytes.
template <class Table>
std::string call(const Plugin& plugin, corral_call Table::*member, const char* function, const std::string& request) {
  const LentRequest lent(request);
  return invoke_for_reply(plugin, member, function, lent.data(), static_cast<uint64_t>(request.size()));
}

// Decodes the reply. Bytes that are not such a message are the plugin's fault.
template <class Message>
Message decode_reply(const Plugin& plugin, const char* function, const std::string& bytes) {
  try {
    return Message::decode(bytes.data(), bytes.size());
  } catch (const protozero::exception&) {
    detail::fail_reply(plugin, function, "its reply is not the message that it should be");
  }
}

}  // namespace corral
