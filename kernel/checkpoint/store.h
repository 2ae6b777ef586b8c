// The checkpoints of a run, folders iter_0000500 side by side: saved whole or not at all, found by what they hold.
//
//   folder/latest_checkpointed_iteration.txt   the newest, for people and other programs; never trusted here
//   folder/latest_*                            what else the format's programs look for there, of the newest
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
  uint64_t keep = 0;  // so many newest stay; 0: all
  Say say = {};
  bool manifest = true;  // false: a folder for another program, whole as soon as it has its name
};

std::string checkpoint_name(uint64_t iteration);

// Calls `write` with an empty folder to fill, then syncs, checksums and renames it; the folders made on the way appear as needed. Files
// that are named latest_* come out of it and beside it.
// Where `write` throws or the disk is full, everything written is removed: NoSpace says what. Gives back the path.
std::string save_checkpoint(const std::string& checkpoints, uint64_t iteration, const std::function<void(const std::string&)>& write,
                            const SaveOptions& options = {});

// Removes what a killed save left and says it. Only while no other process saves here.
void remove_leftovers(const std::string& checkpoints, const Say& say);

struct Found {
  std::string path;
  uint64_t iteration = 0;
};
// All that have the name of one, newest first; nothing is verified.
std::vector<Found> list_checkpoints(const std::string& checkpoints);
// The newest whose files agree with its manifest; says each one that was skipped, and why. Reads every byte of the one it gives.
std::optional<Found> newest_verified(const std::string& checkpoints, const Say& say);
// One of them by its path: throws Error (2) with the reason where it is not whole.
Found verified(const std::string& path);

// Throws Error (2) where the path has the name of what a killed write leaves.
void require_finished(const std::string& path);

// Where --checkpoint PATH points: a run directory or its folder of checkpoints (the newest verified one), one iter_N (verified), or a
// folder or file of another program, taken as it is. Throws Error (2) for what is not whole.
struct Located {
  std::string path;
  std::optional<uint64_t> iteration;  // of a run's checkpoint
};
Located locate_checkpoint(const std::string& path, const Say& say);

}  // namespace corral::checkpoint
