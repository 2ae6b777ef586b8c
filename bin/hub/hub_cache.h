// Names of models on the hub, and the cache folder that the hub's own tools use:
//
//   hub/models--OWNER--NAME/refs/main              the commit that a branch or tag named last
//   hub/models--OWNER--NAME/snapshots/COMMIT/FILE  a link to
//   hub/models--OWNER--NAME/blobs/ETAG             the content, named by its hash
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace corral::hub {

struct HubName {
  std::string repository;         // OWNER/NAME
  std::string revision = "main";  // branch, tag or commit
};

// Parses OWNER/NAME or OWNER/NAME@REVISION; empty if the text cannot be such a name.
std::optional<HubName> hub_name(const std::string& text);

// True if a file name from elsewhere stays below the folder that it is put in.
bool stays_below(const std::string& name);

// $HF_HUB_CACHE, $HF_HOME/hub, or their default.
std::filesystem::path hub_cache();
// The model's folder in the cache.
std::filesystem::path hub_folder(const std::string& repository);
// The commit that the cache has for a revision, or "".
std::string cached_commit(const HubName& name);
// $HF_ENDPOINT without a trailing slash. Throws Error (2) if it is not an address.
std::string hub_endpoint();
// $HF_TOKEN, else the token that `hf auth login` saved, or "".
std::string hub_token();

// Returns an existing path unchanged, and for a model's name its folder in the cache, if it is there.
std::string cached_path(const std::string& path);
// The same for a path on the command line. Throws Error (2) if a name is not in the cache, with the command that downloads it.
std::string local_path(const std::string& path);

}  // namespace corral::hub
