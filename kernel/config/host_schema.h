// config.proto as the build compiled it, comments included.
#pragma once

#include <string_view>

namespace corral::config {
std::string_view host_schema();  // a serialized FileDescriptorSet
}
