// A folder of results that is whole or not there.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "kernel/checkpoint/store.h"

namespace corral::checkpoint {

// Throws Error (2) where the path is a file or holds something already.
void require_new_folder(const std::string& path);

// Calls `write` with an empty folder beside the path to fill, PATH.partial, then syncs it and gives it its name; where `write` throws,
// everything written is removed. `bytes`, about as many as will be written, are looked for on the disk first: NoSpace says what is missing.
// What a killed process left there is removed and said; throws Error (3) where a living one writes it.
void make_folder(const std::string& path, uint64_t bytes, const Say& say, const std::function<void(const std::string& folder)>& write);

}  // namespace corral::checkpoint
