// Makes folders of results that are either whole or absent.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "kernel/checkpoint/store.h"

namespace corral::checkpoint {

// Throws Error (2) if the path is a file or a folder that is not empty.
void require_new_folder(const std::string& path);

// Calls `write` to fill the empty folder PATH.partial, then syncs it and renames it to PATH. If `write` throws, everything written is
// removed. `bytes` estimates the size; throws NoSpace first if the disk has less. Leftovers of a killed process are removed and reported.
// Throws Error (3) if a running process is writing the folder.
void make_folder(const std::string& path, uint64_t bytes, const Say& say, const std::function<void(const std::string& folder)>& write);

}  // namespace corral::checkpoint
