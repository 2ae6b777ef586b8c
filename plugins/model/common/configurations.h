// The configuration files of a Llama, by dialect.
#pragma once

#include <string>
#include <string_view>

#include "plugin.wire.h"
#include "plugins/model/common/config_json.h"

namespace corral::llama {

struct Configuration {
  const char* dialect;
  LlamaConfig (*read)(std::string_view);
  std::string (*write)(const LlamaConfig&);
  ConfigReport (*explain)(std::string_view);
};

// Throws Unsupported for a dialect that is not known here.
const Configuration& configuration(const std::string& dialect);

}  // namespace corral::llama
