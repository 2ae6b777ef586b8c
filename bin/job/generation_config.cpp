#include "bin/job/generation_config.h"

#include "corral/error.h"

namespace corral::job {
using nlohmann::json;

json generation_config(const ModelSource& source) {
  const auto find = [](const std::vector<NamedFile>& files, const std::string& path) {
    for (const NamedFile& f : files)
      if (f.name == "generation_config.json") {
        json content = json::parse(f.content, nullptr, false);
        if (!content.is_object()) fail("{}/generation_config.json is not a JSON object", path);
        return content;
      }
    return json();
  };
  json content = source.adapter ? find(source.adapter->info.files, source.adapter->path) : json();
  if (content.is_null()) content = find(source.info.files, source.path);
  return content.is_null() ? json::object() : content;
}

}  // namespace corral::job
