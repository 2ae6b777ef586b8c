// Fills the hub's cache with a model's files.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bin/hub/hub_cache.h"

namespace corral::hub {

struct DownloadOptions {
  bool everything = false;  // also weights in formats that Corral does not read
  unsigned at_once = 4;     // files
  // Receives lines for the user, and the progress.
  std::function<void(const std::string&)> say;
  std::function<void(uint64_t done, uint64_t total)> progress;
};

// Returns the folder with the files. Existing files are not fetched again, partial ones are continued. Each file is compared with the hub's
// hash before it gets its name. Throws Error: 2 if the name, the revision or the token is wrong, 3 if the network, the hub or the disk
// fails.
std::string download(const HubName& name, const DownloadOptions& options);

}  // namespace corral::hub
