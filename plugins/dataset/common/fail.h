#pragma once
#include <stdexcept>
#include <string>

namespace corral::data {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What the user gave cannot be used: exit code 2.
[[noreturn]] inline void fail(const std::string& message) { throw Error(message); }

}  // namespace corral::data
