#include "tests/conformance/queued_device/wrapped.h"

#include <dlfcn.h>

#include <algorithm>

namespace corral::queued {
namespace {

thread_local char sentence[1024];

corral_status set_error(const corral_host*, const char* text, uint64_t size) {
  const uint64_t n = std::min<uint64_t>(size, sizeof sentence - 1);
  std::memcpy(sentence, text, n);
  sentence[n] = 0;
  return CORRAL_OK;
}

corral_status log(const corral_host*, int32_t severity, const char* text, uint64_t size) {
  log_line(severity, {text, size});
  return CORRAL_OK;
}

}  // namespace

Wrapped::Wrapped(const char* path)
    : library_(dlopen(path, RTLD_NOW | RTLD_LOCAL)),
      host_{CORRAL_SIZE(corral_host),
            CORRAL_ABI_MAJOR,
            CORRAL_ABI_MINOR,
            nullptr,
            set_error,
            log,
            [](const corral_host*, const char*) -> const void* { return nullptr; }} {
  if (!library_) fail_environment("{}", dlerror());
  plugin_ = static_cast<const corral_plugin_descriptor*>(dlsym(library_, "corral_plugin"));
  check(plugin_->init(&host_));
  table_ = static_cast<const corral_device*>(plugin_->get_interface(CORRAL_DEVICE_ID));
}

Wrapped::~Wrapped() {
  plugin_->shutdown();
  dlclose(library_);
}

void Wrapped::check(corral_status status) {
  switch (status) {
    case CORRAL_OK:
      return;
    case CORRAL_UNSUPPORTED:
      throw Unsupported(sentence);
    case CORRAL_NO_SPACE:
      throw NoSpace(sentence);
    case CORRAL_INVALID:
      fail("{}", sentence);
    case CORRAL_ENVIRONMENT:
      fail_environment("{}", sentence);
    default:
      fail_bug("{}", sentence);
  }
}

}  // namespace corral::queued
