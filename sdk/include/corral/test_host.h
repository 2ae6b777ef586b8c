// For tests of plugins: opens a built plugin as a host does, calls its functions and checks that it can be unloaded. For one thread.
#pragma once

#include <dlfcn.h>

#include <string>
#include <utility>

#include "corral/abi.h"
#include "corral/error.h"
#include "graph.wire.h"
#include "plugin.wire.h"

namespace corral {

class TestHost {
 public:
  // Throws Error if the file is not a plugin or lacks this interface.
  TestHost(const char* path, const char* interface_id) : path_(path), library_(dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
    if (!library_) fail_environment("{}", dlerror());
    plugin_ = static_cast<const corral_plugin_descriptor*>(dlsym(library_, "corral_plugin"));
    if (!plugin_ || plugin_->magic != CORRAL_MAGIC) fail("{} is not a Corral plugin", path);
    check(plugin_->init(&host_));
    interface_ = plugin_->get_interface(interface_id);
    if (!interface_) fail("{} has no interface {}", path, interface_id);
  }
  ~TestHost() {
    if (!library_) return;
    plugin_->shutdown();
    dlclose(library_);
  }
  TestHost(const TestHost&) = delete;
  TestHost& operator=(const TestHost&) = delete;

  // Shuts the plugin down and unloads it; nothing of it may be called afterwards. Throws Error if its shutdown fails, or if a unique symbol
  // or a library keeps the file loaded.
  void unload() {
    void* const library = std::exchange(library_, nullptr);
    const corral_status status = plugin_->shutdown();
    dlclose(library);
    check(status);
    if (dlopen(path_.c_str(), RTLD_NOW | RTLD_NOLOAD)) throw Error(4, path_ + " is still loaded after it was closed");
  }

  // The plugin's latest error sentence.
  const std::string& sentence() const { return sentence_; }

  template <class Table>
  const Table& table() const {
    return *static_cast<const Table*>(interface_);
  }

  // Calls a function whose last argument is the sink of its reply, such as ask(host.table<corral_checkpoint>().list, reader). Returns the
  // reply's bytes. Throws Error with the plugin's sentence.
  template <class Function, class... Arguments>
  std::string ask(Function function, const Arguments&... arguments) {
    std::string reply;
    const corral_sink sink{CORRAL_SIZE(corral_sink), &reply, [](const corral_sink* s, const void* data, uint64_t size) {
                             static_cast<std::string*>(s->context)->append(static_cast<const char*>(data), size);
                             return corral_status{CORRAL_OK};
                           }};
    check(function(arguments..., &sink));
    return reply;
  }

  // Calls a function that takes a message, such as call(host.table<corral_optimizer>().check, request).
  template <class Request>
  std::string call(corral_call function, const Request& request) {
    const std::string bytes = request.encode();
    return ask(function, bytes.data(), static_cast<uint64_t>(bytes.size()));
  }

  // Runs a pass over `graph`. `options` is the plugin's message Options.
  template <class Options>
  Graph transform(corral_call function, const Graph& graph, const Options& options) {
    PassRequest request;
    request.graph = graph;
    request.options = options.encode();
    const std::string reply = call(function, request);
    return Graph::decode(reply.data(), reply.size());
  }

 private:
  void check(corral_status status) const {
    if (status == CORRAL_OK) return;
    if (status == CORRAL_ENVIRONMENT || status == CORRAL_NO_SPACE) throw Error(3, sentence_);
    throw Error(status == CORRAL_INVALID || status == CORRAL_UNSUPPORTED ? 2 : 4, sentence_);
  }

  std::string path_, sentence_;
  corral_host host_{CORRAL_SIZE(corral_host),
                    CORRAL_ABI_MAJOR,
                    CORRAL_ABI_MINOR,
                    &sentence_,
                    [](const corral_host* host, const char* text, uint64_t size) {
                      static_cast<std::string*>(host->context)->assign(text, size);
                      return corral_status{CORRAL_OK};
                    },
                    [](const corral_host*, int32_t, const char*, uint64_t) { return corral_status{CORRAL_OK}; },
                    [](const corral_host*, const char*) -> const void* { return nullptr; }};
  void* library_;
  const corral_plugin_descriptor* plugin_ = nullptr;
  const void* interface_ = nullptr;
};

}  // namespace corral
