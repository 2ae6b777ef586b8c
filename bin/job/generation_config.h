// A model's generation_config.json.
#pragma once

#include <nlohmann/json.hpp>

#include "bin/job/model_source.h"

namespace corral::job {

// An empty object where there is none. The adapter's, where it has one: it was trained to end its answers. Throws corral::Error (2) where
// it is no JSON object.
nlohmann::json generation_config(const ModelSource& source);

}  // namespace corral::job
