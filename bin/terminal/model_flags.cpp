#include "bin/terminal/model_flags.h"

#include "bin/terminal/sources.h"
#include "corral/error.h"

namespace corral::cli {

job::WantedModel model_at(const Arguments& arguments, const std::string& path, const std::string& format) {
  const std::string model = arguments.text("model");
  return {.path = path,
          .format = format,
          .model = is_family_and_size(model) ? model.substr(0, model.find('/')) : model,
          .described_by = arguments.text("hf-model"),
          .adapter = arguments.text("adapter"),
          .peft = arguments.text("peft")};
}

job::WantedModel wanted_model(const Arguments& arguments, const std::string& command) {
  std::string path, format;
  for (const auto& [flag, of_flag] : {std::pair{"checkpoint", ""}, {"megatron-path", "megatron"}}) {
    if (!arguments.has(flag)) continue;
    if (!path.empty()) fail("--checkpoint and --megatron-path both name a model: use one");
    path = arguments.text(flag);
    format = of_flag;
  }
  if (path.empty()) {
    path = arguments.text("hf-model");
    format = "hf";
  }
  if (path.empty()) fail("{} needs a model: --checkpoint PATH", command);
  return model_at(arguments, path, format);
}

}  // namespace corral::cli
