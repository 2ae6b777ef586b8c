// The instruction sets that this folder is compiled for: every file but cpu.cpp once for each, and the machine's best is taken at open.
#pragma once

#include <string_view>

#include "plugins/device/cpu/kernel.h"

namespace corral::cpu {

// An operation at a level, or null. The name keeps it visible beyond its level: see DISPATCH in CorralPlugin.cmake.
const OpEntry* corral_dispatch_avx2(std::string_view op);
const OpEntry* corral_dispatch_avx512_bf16(std::string_view op);

}  // namespace corral::cpu
