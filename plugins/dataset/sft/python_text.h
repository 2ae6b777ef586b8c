// Text as the Python of a chat template writes it: the white space of `trim`, the spelling of `tojson`.
#pragma once

#include <string>
#include <string_view>

#include "plugins/dataset/sft/chat.h"

namespace corral::sft {

// Removes Unicode white space at both ends, U+001C to U+001F included. `text` must be valid UTF-8.
std::string_view trim(std::string_view text);

// With `indent` < 0 on one line, with a space after commas and colons.
std::string to_json(const Json& value, int indent = -1);

}  // namespace corral::sft
