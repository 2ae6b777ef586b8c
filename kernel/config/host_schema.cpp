#include "kernel/config/host_schema.h"

__asm__(
    ".section .rodata\n"
    "corral_host_schema_begin:\n"
    ".incbin \"" CORRAL_HOST_SCHEMA
    "\"\n"
    "corral_host_schema_end:\n"
    ".byte 0\n"
    ".previous\n");

extern "C" const char corral_host_schema_begin[], corral_host_schema_end[];

namespace corral::config {
std::string_view host_schema() {
  return {corral_host_schema_begin, static_cast<size_t>(corral_host_schema_end - corral_host_schema_begin)};
}
}  // namespace corral::config
