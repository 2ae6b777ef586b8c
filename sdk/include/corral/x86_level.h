// Tests the processor for a level of x86-64, as the System V psABI defines them (x86-64-v1 to -v4).
#pragma once

namespace corral {

// False for an unknown level, and on other processors.
inline bool has_x86_level(int level) {
#if defined(__x86_64__)
  __builtin_cpu_init();
#ifdef __clang__  // before version 18 it does not know levels by name, only the features below
  switch (level) {
    case 4:
      return has_x86_level(3) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    case 3:
      return has_x86_level(2) && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
             __builtin_cpu_supports("fma");
    case 2:
      return __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.2");
    default:
      return level == 1;
  }
#else
  switch (level) {
    case 4:
      return __builtin_cpu_supports("x86-64-v4");
    case 3:
      return __builtin_cpu_supports("x86-64-v3");
    case 2:
      return __builtin_cpu_supports("x86-64-v2");
    default:
      return level == 1;
  }
#endif
#else
  (void)level;
  return false;
#endif
}

}  // namespace corral
