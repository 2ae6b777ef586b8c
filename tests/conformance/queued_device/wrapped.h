// device/cpu as the queued device calls it: opened with the dynamic linker, with a host of its own.
#pragma once

#include "corral/plugin.h"

namespace corral::queued {

class Wrapped {
 public:
  explicit Wrapped(const char* path);
  ~Wrapped();
  Wrapped(const Wrapped&) = delete;
  Wrapped& operator=(const Wrapped&) = delete;

  const corral_device& table() const { return *table_; }
  // Throws what the status means, with the plugin's sentence.
  static void check(corral_status status);

 private:
  void* library_;
  corral_host host_;
  const corral_plugin_descriptor* plugin_;
  const corral_device* table_;
};

}  // namespace corral::queued
