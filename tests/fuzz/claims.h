// What fuzz programs claim of a reader; a claim that does not hold ends the program, which libFuzzer reports with the input.
#pragma once

#include <cstdlib>

#include "corral/error.h"

inline void require(bool claim) {
  if (!claim) std::abort();
}

// Whatever `read` is given, it comes to an end, or is refused as the user's input with a sentence.
template <class F>
void ends_or_is_refused(F&& read) {
  try {
    read();
  } catch (const corral::Error& error) {
    require(error.exit_code() == 2 && error.what()[0] != '\0');
  }
}
