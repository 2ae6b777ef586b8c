/* A precision plugin that uses corral/abi.h only: it finds the bytes of the graph in the request and returns them unchanged. Compiles as C99 and C++, without
 * a protobuf library. Its faults are chosen by -D. */
#include "corral/abi.h"

#include <string.h>

#ifdef WRITE_WHEN_LOADED
#include <stdio.h>
__attribute__((constructor)) static void loaded(void) {
  FILE *file = fopen(WRITE_WHEN_LOADED, "w");
  if (file) fclose(file);
}
#endif

/* A C++ runtime inside the plugin allocates memory for exceptions when it is loaded; this frees it. */
#ifdef FREE_RUNTIME
namespace __gnu_cxx {
void __freeres();
}
__attribute__((destructor)) static void unloaded() { __gnu_cxx::__freeres(); }
#endif

#ifdef MISSING_SYMBOL
void corral_test_no_such_function(void);
#endif

#ifdef __cplusplus
#include <string>
#ifdef OWN_ALLOCATOR
#include <cstdlib>
/* Memory with a header: a foreign free would crash. */
void *operator new(size_t size) { return (char *)std::malloc(size + 16) + 16; }
void operator delete(void *memory) noexcept {
  if (memory) std::free((char *)memory - 16);
}
void operator delete(void *memory, size_t) noexcept { operator delete(memory); }
#endif
#endif

static const corral_host *host;

#ifdef FAULTS
#include FAULTS
#else
#define IN_TRANSFORM
#define IN_INIT
#define IN_GET_INTERFACE
#define IN_SHUTDOWN
#endif

static corral_status say(corral_status status, const char *text) {
  host->set_error(host, text, strlen(text));
  return status;
}

/* Reads one varint; returns null if the bytes end within it. */
static const unsigned char *read_varint(const unsigned char *at, const unsigned char *end, uint64_t *value) {
  unsigned shift = 0;
  *value = 0;
  for (; at < end && shift < 64; shift += 7) {
    *value |= (uint64_t)(*at & 0x7f) << shift;
    if (!(*at++ & 0x80)) return at;
  }
  return 0;
}

/* PassRequest { bytes options = 1; Graph graph = 2; } -> the bytes of field 2. */
static corral_status transform(const void *request, uint64_t size, const corral_sink *reply) {
  const unsigned char *at = (const unsigned char *)request, *end = at + size;
  IN_TRANSFORM
#ifdef __cplusplus
  std::string graph;
#endif
  while (at < end) {
    uint64_t tag = 0, length = 0;
    at = read_varint(at, end, &tag);
    if (!at || (tag & 7) != 2) return say(CORRAL_BUG, "the request is no PassRequest");
    at = read_varint(at, end, &length);
    if (!at || length > (uint64_t)(end - at)) return say(CORRAL_BUG, "the request is cut off");
#ifdef __cplusplus
    if (tag >> 3 == 2) graph.append((const char *)at, length);
#else
    if (tag >> 3 == 2 && reply->write(reply, at, length) != CORRAL_OK) return say(CORRAL_NO_SPACE, "the host took no more bytes");
#endif
    at += length;
  }
#ifdef __cplusplus
  if (reply->write(reply, graph.data(), graph.size()) != CORRAL_OK) return say(CORRAL_NO_SPACE, "the host took no more bytes");
#endif
#ifdef MISSING_SYMBOL
  corral_test_no_such_function();
#endif
  return CORRAL_OK;
}

static const corral_precision table = {CORRAL_SIZE(corral_precision), transform};

#ifndef INTERFACE_ID
#define INTERFACE_ID CORRAL_PRECISION_ID
#endif

static corral_status init(const corral_host *h) {
  host = h;
  IN_INIT
  return CORRAL_OK;
}
static const void *get_interface(const char *id) {
  IN_GET_INTERFACE
#ifdef ANY_ID
  return id ? &table : 0;
#else
  return id && strcmp(id, INTERFACE_ID) == 0 ? &table : 0;
#endif
}
static corral_status shutdown(void) {
  IN_SHUTDOWN
  return CORRAL_OK;
}

#ifndef MAGIC
#define MAGIC CORRAL_MAGIC
#endif
#ifndef MAJOR
#define MAJOR 1
#endif
#ifndef VERSION
#define VERSION "1.2.3"
#endif
#ifndef KIND
#define KIND "precision"
#endif
#ifndef SIZE
#define SIZE CORRAL_SIZE(corral_plugin_descriptor)
#endif

#ifdef __cplusplus
extern "C" __attribute__((visibility("default"))) const corral_plugin_descriptor corral_plugin;
#else
__attribute__((visibility("default")))
#endif
const corral_plugin_descriptor corral_plugin = {SIZE, MAGIC,   MAJOR, 0,    KIND,
                                                                                      NAME, VERSION, "MIT", init, get_interface,
                                                                                      shutdown};
