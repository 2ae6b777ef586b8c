// Ways to break the contract, chosen by $CORRAL_TEST_FAULT. minimal_plugin.c includes this file when it is compiled as C++ with -DFAULTS.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>

static bool fault(const char* name) {
  const char* chosen = std::getenv("CORRAL_TEST_FAULT");
  return chosen && std::strcmp(chosen, name) == 0;
}

static corral_status say(corral_status status, const std::string& text) {
  host->set_error(host, text.data(), text.size());
  return status;
}

static const corral_sink* kept_sink = nullptr;
static const void* kept_request = nullptr;

// True if the fault is a status, which `status` then has.
static bool fault_in_transform(const void* request, const corral_sink* reply, corral_status* status) {
  const auto answer = [&](corral_status s) {
    *status = s;
    return true;
  };
  if (fault("throw bad_alloc")) throw std::bad_alloc();
  if (fault("throw int")) throw 7;
  if (fault("unknown status")) return answer(say(4711, "all is well"));
  if (fault("negative status")) return answer(-1);
  if (fault("no sentence")) return answer(CORRAL_INVALID);
  if (fault("null sentence")) return host->set_error(host, nullptr, 99), answer(CORRAL_BUG);
  if (fault("not UTF-8")) return answer(say(CORRAL_BUG, "caf\xe9 \xc0\x80 \x1b[31mred"));
  if (fault("long sentence")) return answer(say(CORRAL_BUG, std::string(size_t{1} << 30, 'x')));
  if (fault("abort")) std::abort();
  if (fault("failed assertion")) std::fputs("pass.cpp:7: the graph has no nodes\n", stderr), std::abort();
  if (fault("crash")) *static_cast<volatile int*>(nullptr) = 1;
  if (fault("hang"))
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  if (fault("no message")) return answer(reply->write(reply, "\xff\xff\xff", 3));
  if (fault("null reply")) return answer(reply->write(reply, nullptr, 10));
  if (fault("endless reply")) {
    const std::string much(size_t{64} << 20, 'x');
    while (reply->write(reply, much.data(), much.size()) == CORRAL_OK) {
    }
    return answer(CORRAL_OK);
  }
  // Calls the host from within a call, and asks it for services that it does not have.
  if (fault("re-enter")) {
    if (host->get_service(host, "corral.nonsense/9") || host->get_service(host, ""))
      return answer(say(CORRAL_BUG, "a service that there is not"));
    host->log(host, 99, "from within", 11);
    return answer(say(CORRAL_UNSUPPORTED, "re-entered"));
  }
  if (fault("use a sink late")) {
    if (kept_sink) return answer(kept_sink->write(kept_sink, "late", 4));
    kept_sink = reply;
  }
  if (fault("keep a request")) {
    if (kept_request && std::memcmp(kept_request, request, 16) != 0)
      return answer(say(CORRAL_BUG, "what it kept of a request has changed"));
    kept_request = request;
  }
  if (fault("leak")) {
    static void* volatile leaked;
    leaked = std::malloc(1000);
    if (!leaked) std::abort();
  }
  // Leaks one small block per load.
  if (fault("leak a little")) {
    static bool once = false;
    static void* volatile leaked;
    if (!once) leaked = std::malloc(1);
    once = true;
    if (!leaked) std::abort();
  }
  return false;
}

#define IN_TRANSFORM                      \
  corral_status fault_status = CORRAL_OK; \
  if (fault_in_transform(request, reply, &fault_status)) return fault_status;
#define IN_INIT                                                                           \
  if (fault("throw bad_alloc in init")) throw std::bad_alloc();                           \
  if (fault("throw int in init")) throw 7;                                                \
  if (fault("fail in init")) return say(CORRAL_ENVIRONMENT, "the licence server is out"); \
  if (fault("abort in init")) std::abort();                                               \
  if (fault("leave a thread"))                                                            \
    std::thread([] {                                                                      \
      for (;;) std::this_thread::sleep_for(std::chrono::hours(1));                        \
    }).detach();
#define IN_GET_INTERFACE \
  if (fault("throw in get_interface")) throw 7;
#define IN_SHUTDOWN                            \
  if (fault("throw int in shutdown")) throw 7; \
  if (fault("fail in shutdown")) return say(CORRAL_BUG, "a thread does not end");
