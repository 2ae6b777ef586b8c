// Shared by the plugins of the tests: options that have no fields, and the fault that a test asks for.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace corral {

struct NoOptions {
  static NoOptions decode(const std::string&) { return {}; }
  static NoOptions decode(const void*, uint64_t) { return {}; }
};

// True if $CORRAL_TEST_FAULT names this fault.
inline bool fault(std::string_view name) {
  const char* chosen = std::getenv("CORRAL_TEST_FAULT");
  return chosen && chosen == name;
}

}  // namespace corral
