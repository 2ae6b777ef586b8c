// The configuration files of a Llama, one per dialect.
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

// Throws Unsupported for an unknown dialect.
const Configuration& configuration(const std::string& dialect);

}  // namespace corral::llama
