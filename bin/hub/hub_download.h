// Fills the hub's cache with a model's files.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bin/hub/hub_cache.h"

namespace corral::hub {

struct DownloadOptions {
  bool everything = false;  // also weights in formats that are not read here
  unsigned at_once = 4;     // files
  // Receives a line for the user, and, as it goes, how much is there.
  std::function<void(const std::string&)> say;
  std::function<void(uint64_t done, uint64_t total)> progress;
};

// Gives back the folder with the files. What is there already is not fetched again, what was begun is continued, and each file is compared
// with the hash that the hub states before it gets its name. Throws Error: 2 where the name, the revision or the token is wrong, 3 where
// the network, the hub or the disk fails.
std::string download(const HubName& name, const DownloadOptions& options);

}  // namespace corral::hub
