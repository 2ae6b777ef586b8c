// The C++20 side of the plugin ABI: turns errors into statuses and messages into structs.
// A plugin derives from one of the kinds (model.h, precision.h, ...) and names its class once: CORRAL_PLUGIN(MyClass).
#pragma once

#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include "corral/abi.h"
#include "corral/error.h"
#include "graph.wire.h"
#include "plugin.wire.h"

namespace corral {

// The plugin's host; null before init and after shutdown.
inline const corral_host*& plugin_host() noexcept {
  static const corral_host* host = nullptr;
  return host;
}

inline void log_line(int32_t severity, std::string_view text) noexcept {
  if (const corral_host* host = plugin_host()) host->log(host, severity, text.data(), text.size());
}

namespace detail {

inline corral_status report(corral_status status, const char* text) noexcept {
  if (const corral_host* host = plugin_host()) host->set_error(host, text, std::strlen(text));
  return status;
}

inline corral_status status_of(int exit_code) noexcept {
  switch (exit_code) {
    case 1:
      return CORRAL_CHECK;
    case 2:
      return CORRAL_INVALID;
    case 3:
      return CORRAL_ENVIRONMENT;
    default:
      return CORRAL_BUG;
  }
}

// Runs `body` and turns exceptions into statuses. A malformed request is a CORRAL_BUG: the caller's fault, not the user's.
template <class F>
corral_status guarded(F&& body) noexcept {
  try {
    body();
    return CORRAL_OK;
  } catch (const Unsupported& e) {
    return report(CORRAL_UNSUPPORTED, e.what());
  } catch (const NoSpace& e) {
    return report(CORRAL_NO_SPACE, e.what());
  } catch (const Error& e) {
    return report(status_of(e.exit_code()), e.what());
  } catch (const std::bad_alloc&) {
    return report(CORRAL_NO_SPACE, "out of memory");
  } catch (const std::exception& e) {
    return report(CORRAL_BUG, e.what());
  } catch (...) {
    return report(CORRAL_BUG, "an exception of unknown type");
  }
}

inline void reply_with(const corral_sink* sink, std::string_view bytes) {
  if (sink->write(sink, bytes.data(), bytes.size()) != CORRAL_OK) throw NoSpace("the host took no more bytes");
}

// Implements a corral_call by `body`, a callable (const Request&) -> Reply. Both are messages; the reply may also be plain bytes.
template <class Request, class F>
corral_status answer(const void* request, uint64_t size, const corral_sink* sink, F&& body) noexcept {
  return guarded([&] {
    const auto reply = body(Request::decode(request, size));
    if constexpr (std::is_same_v<std::decay_t<decltype(reply)>, std::string>)
      reply_with(sink, reply);
    else
      reply_with(sink, reply.encode());
  });
}

// The single object of a plugin class, made by init and freed by shutdown.
template <class P>
P*& the() noexcept {
  static P* object = nullptr;
  return object;
}

template <class P>
corral_status init(const corral_host* host) noexcept {
  plugin_host() = host;
  return guarded([] { the<P>() = new P(); });
}

template <class P>
corral_status shutdown() noexcept {
  const corral_status status = guarded([] {
    delete the<P>();
    the<P>() = nullptr;
  });
  plugin_host() = nullptr;
  return status;
}

template <class P>
const void* get_interface(const char* kind_id) noexcept {
  return kind_id && std::strcmp(kind_id, P::kKindId) == 0 ? P::template table<P>() : nullptr;
}

}  // namespace detail
}  // namespace corral

#ifdef __cplusplus
#define CORRAL_EXPORT extern "C" __attribute__((visibility("default")))
#endif

// Defines the plugin's descriptor. Kind, name, version, licence and targeted ABI are from the build (corral_add_plugin), so that manifest
// and descriptor cannot differ.
#define CORRAL_PLUGIN(Class)                                                              \
  CORRAL_EXPORT const corral_plugin_descriptor corral_plugin;                             \
  const corral_plugin_descriptor corral_plugin = {CORRAL_SIZE(corral_plugin_descriptor),  \
                                                  CORRAL_MAGIC,                           \
                                                  CORRAL_PLUGIN_ABI_MAJOR,                \
                                                  CORRAL_PLUGIN_ABI_MINOR,                \
                                                  CORRAL_PLUGIN_KIND,                     \
                                                  CORRAL_PLUGIN_NAME,                     \
                                                  CORRAL_PLUGIN_VERSION,                  \
                                                  CORRAL_PLUGIN_LICENSE,                  \
                                                  ::corral::detail::init<Class>,          \
                                                  ::corral::detail::get_interface<Class>, \
                                                  ::corral::detail::shutdown<Class>};
