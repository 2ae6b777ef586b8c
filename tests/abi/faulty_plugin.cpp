// A precision plugin that breaks its contract in the way that $CORRAL_TEST_FAULT names. By abi.h alone: nothing stands between its faults
// and the host.
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <thread>

#include "corral/abi.h"

namespace {

const corral_host* host = nullptr;

bool fault(const char* name) {
  const char* chosen = std::getenv("CORRAL_TEST_FAULT");
  return chosen && std::strcmp(chosen, name) == 0;
}

corral_status say(corral_status status, const std::string& text) {
  host->set_error(host, text.data(), text.size());
  return status;
}

corral_status transform(const void*, uint64_t, const corral_sink* reply) {
  if (fault("throw bad_alloc")) throw std::bad_alloc();
  if (fault("throw int")) throw 7;
  if (fault("unknown status")) return say(4711, "all is well");
  if (fault("negative status")) return -1;
  if (fault("no sentence")) return CORRAL_INVALID;
  if (fault("null sentence")) return host->set_error(host, nullptr, 99), CORRAL_BUG;
  if (fault("not UTF-8")) return say(CORRAL_BUG, "caf\xe9 \xc0\x80 \x1b[31mred");
  if (fault("long sentence")) return say(CORRAL_BUG, std::string(size_t{1} << 30, 'x'));
  if (fault("abort")) std::abort();
  if (fault("crash")) *static_cast<volatile int*>(nullptr) = 1;
  if (fault("hang"))
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  if (fault("no message")) return reply->write(reply, "\xff\xff\xff", 3);
  if (fault("null reply")) return reply->write(reply, nullptr, 10);
  if (fault("endless reply")) {
    const std::string much(size_t{64} << 20, 'x');
    while (reply->write(reply, much.data(), much.size()) == CORRAL_OK) {
    }
    return CORRAL_OK;
  }
  // The host is asked again from within a call, and for what it does not have.
  if (fault("re-enter")) {
    if (host->get_service(host, "corral.nonsense/9") || host->get_service(host, "")) return say(CORRAL_BUG, "a service that there is not");
    host->log(host, 99, "from within", 11);
    return say(CORRAL_UNSUPPORTED, "re-entered");
  }
  return say(CORRAL_UNSUPPORTED, "no fault is chosen");
}

const corral_precision table = {CORRAL_SIZE(corral_precision), transform};

corral_status init(const corral_host* h) {
  host = h;
  if (fault("throw bad_alloc in init")) throw std::bad_alloc();
  if (fault("throw int in init")) throw 7;
  if (fault("fail in init")) return say(CORRAL_ENVIRONMENT, "the licence server is out");
  if (fault("abort in init")) std::abort();
  return CORRAL_OK;
}
const void* get_interface(const char* id) {
  if (fault("throw in get_interface")) throw 7;
  return id && std::strcmp(id, CORRAL_PRECISION_ID) == 0 ? &table : nullptr;
}
corral_status shutdown() {
  if (fault("throw int in shutdown")) throw 7;
  if (fault("fail in shutdown")) return say(CORRAL_BUG, "a thread does not end");
  return CORRAL_OK;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const corral_plugin_descriptor corral_plugin;
const corral_plugin_descriptor corral_plugin = {
    CORRAL_SIZE(corral_plugin_descriptor), CORRAL_MAGIC, 1, 0, "precision", NAME, "1.2.3", "MIT", init, get_interface, shutdown};
