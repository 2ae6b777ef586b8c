// Claims of fuzz programs about a reader. A false claim aborts the program, and libFuzzer reports the input.
#pragma once

#include <cstdlib>

#include "corral/error.h"

inline void require(bool claim) {
  if (!claim) std::abort();
}

// Claims that `read` returns, or refuses its input as the user's with a message.
template <class F>
void ends_or_is_refused(F&& read) {
  try {
    read();
  } catch (const corral::Error& error) {
    require(error.exit_code() == 2 && error.what()[0] != '\0');
  }
}
