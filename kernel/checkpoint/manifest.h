// MANIFEST.json: size and XXH3-128 of every file of a checkpoint, written last. A folder is whole if its files agree with it.
#pragma once

#include <filesystem>

namespace corral::checkpoint {

inline constexpr char kManifestName[] = "MANIFEST.json";

// Syncs every file and folder below, then writes and syncs the manifest.
void write_manifest(const std::filesystem::path& folder, uint64_t iteration);

// Throws Error (2) with the reason unless the folder has a manifest for this iteration and every file agrees with it.
void verify_manifest(const std::filesystem::path& folder, uint64_t iteration);

}  // namespace corral::checkpoint
