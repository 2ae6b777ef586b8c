// The checkpoints of a run, folders iter_0000500 side by side: saved whole or not at all, verified by their content when found.
//
//   folder/latest_checkpointed_iteration.txt   the newest, for people and other programs; never trusted here
//   folder/latest_*                            other files of the newest one that the format's programs expect there
//   folder/iter_0000500/                       whole: has a MANIFEST.json that agrees with every file
//   folder/iter_0001000.partial/               being written, or left by a save that was killed
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace corral::checkpoint {

// Receives a line for the user.
using Say = std::function<void(const std::string&)>;

struct SaveOptions {
  uint64_t keep = 0;  // number of newest checkpoints to keep; 0: all
  Say say = {};
  bool manifest = true;  // false: a folder for another program, whole as soon as it has its name
};

std::string checkpoint_name(uint64_t iteration);

// Saves a checkpoint and returns its path: calls `write` with an empty folder to fill, then syncs, checksums and renames it. Creates
// missing parent folders. Moves files named latest_* from the folder to beside it. If `write` throws or the disk is full, everything
// written is removed; NoSpace says what.
std::string save_checkpoint(const std::string& checkpoints, uint64_t iteration, const std::function<void(const std::string&)>& write,
                            const SaveOptions& options = {});

// Removes the leftovers of killed saves and reports them. Call only while no other process saves here.
void remove_leftovers(const std::string& checkpoints, const Say& say);

struct Found {
  std::string path;
  uint64_t iteration = 0;
};
// All folders that are named like a checkpoint, newest first. Nothing is verified.
std::vector<Found> list_checkpoints(const std::string& checkpoints);
// The newest checkpoint whose files agree with its manifest. Reports each one that was skipped, and why. Reads every byte of the result.
std::optional<Found> newest_verified(const std::string& checkpoints, const Say& say);
// Verifies the checkpoint at a path. Throws Error (2) with the reason if it is not whole.
Found verified(const std::string& path);

// Throws Error (2) if the path is named like the leftover of a killed write.
void require_finished(const std::string& path);

struct Located {
  std::string path;
  std::optional<uint64_t> iteration;  // of a run's checkpoint
};
// Finds the checkpoint that --checkpoint PATH means: a run directory or its folder of checkpoints (the newest verified one), one iter_N
// (verified), or a folder or file of another program (as it is). Throws Error (2) if the checkpoint is not whole.
Located locate_checkpoint(const std::string& path, const Say& say);

}  // namespace corral::checkpoint
