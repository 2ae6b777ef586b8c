// Every file but cpu.cpp is compiled once per instruction set; the best that the machine supports is chosen when the device is opened.
#pragma once

#include <string_view>

#include "plugins/device/cpu/kernel.h"

namespace corral::cpu {

// The operation at a level, or null. The names stay visible outside their level: see DISPATCH in CorralPlugin.cmake.
const OpEntry* corral_dispatch_avx2(std::string_view op);
const OpEntry* corral_dispatch_avx512_bf16(std::string_view op);

}  // namespace corral::cpu
