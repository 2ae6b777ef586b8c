// A model's generation_config.json.
#pragma once

#include <nlohmann/json.hpp>

#include "bin/job/model_source.h"

namespace corral::job {

// Reads the adapter's file if it has one, because the adapter was trained to end its answers. An empty object if there is none. Throws
// corral::Error (2) if the file is not a JSON object.
nlohmann::json generation_config(const ModelSource& source);

}  // namespace corral::job
