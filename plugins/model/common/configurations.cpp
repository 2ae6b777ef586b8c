#include "plugins/model/common/configurations.h"

#include "corral/error.h"
#include "plugins/model/common/config_keys.h"
#include "plugins/model/common/megatron_config.h"

namespace corral::llama {
namespace {
ConfigReport not_explained(std::string_view) { throw Unsupported("only the keys of config.json can be explained"); }

constexpr Configuration kConfigurations[] = {{"hf", read_config_json, write_config_json, explain_config_json},
                                             {"megatron", read_megatron_config, write_megatron_config, not_explained}};
}  // namespace

const Configuration& configuration(const std::string& dialect) {
  std::string known;
  for (const Configuration& c : kConfigurations) {
    if (dialect == c.dialect) return c;
    known += std::string(known.empty() ? "" : ", ") + c.dialect;
  }
  throw Unsupported(format("no configuration of the dialect \"{}\"; there are: {}", dialect, known));
}

}  // namespace corral::llama
