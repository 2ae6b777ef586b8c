// Explains how each key of a config.json is used.
#pragma once

#include <string_view>

#include "plugin.wire.h"

namespace corral::llama {

// One entry per key, sorted. Throws Error (2) if the bytes are not a JSON object.
ConfigReport explain_config_json(std::string_view bytes);

}  // namespace corral::llama
