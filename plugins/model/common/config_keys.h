// What becomes of each key of a config.json.
#pragma once

#include <string_view>

#include "plugin.wire.h"

namespace corral::llama {

// Every key that is there, sorted. Throws Error (2) where the bytes are no JSON object.
ConfigReport explain_config_json(std::string_view bytes);

}  // namespace corral::llama
