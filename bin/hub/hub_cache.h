// Names of models on the hub, and the folder in which the hub's own tools keep what was downloaded:
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

// OWNER/NAME or OWNER/NAME@REVISION; nothing where a text can be no such name.
std::optional<HubName> hub_name(const std::string& text);

// Whether a name of others leads nowhere but below the folder that it is put in.
bool stays_below(const std::string& name);

// $HF_HUB_CACHE, $HF_HOME/hub, or what these are by default.
std::filesystem::path hub_cache();
// The model's folder of it.
std::filesystem::path hub_folder(const std::string& repository);
// The commit that the cache has for a revision, or "".
std::string cached_commit(const HubName& name);
// $HF_ENDPOINT without a slash at its end. Throws Error (2) where that is no address.
std::string hub_endpoint();
// $HF_TOKEN, or what `hf auth login` left, or "".
std::string hub_token();

// A path as it is, where something is there; for the name of a model its folder in the cache, where that has it.
std::string cached_path(const std::string& path);
// The same for a path of the command line. Throws Error (2) where a name is not in the cache, with the command that downloads it.
std::string local_path(const std::string& path);

}  // namespace corral::hub
