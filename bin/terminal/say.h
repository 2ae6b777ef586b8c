// A line for the user: beside the results, which go to standard output.
#pragma once

#include <cstdio>
#include <string>

namespace corral::cli {

inline void say(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

}  // namespace corral::cli
