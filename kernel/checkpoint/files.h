// File system calls for checkpoints: the bytes are on the disk when a call returns, and errors name the path.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace corral::checkpoint {

// Throws NoSpace where `error` means a full disk, else Error (3): "cannot VERB PATH: ...".
[[noreturn]] void fail_io(const char* verb, const std::filesystem::path& path, int error);

// Writes a small file and syncs it.
void write_synced(const std::filesystem::path& path, const std::string& content);
// Replaces a small file in one step: the old content stays until the new one is on the disk.
void replace_synced(const std::filesystem::path& path, const std::string& content);
void sync_folder(const std::filesystem::path& path);
// Syncs every file and folder below, and the folder itself.
void sync_below(const std::filesystem::path& folder);

// Paths of all regular files below the folder, relative to it, sorted. Throws Error (3) at anything that is neither file nor folder.
std::vector<std::string> files_below(const std::filesystem::path& folder);
// The folder and all folders below it, innermost first.
std::vector<std::filesystem::path> folders_below(const std::filesystem::path& folder);
uint64_t bytes_below(const std::filesystem::path& folder);
// Bytes that are allocated on the disk: fewer than bytes_below if files have holes.
uint64_t allocated_below(const std::filesystem::path& folder);

// "12.3 MB"
std::string size_text(uint64_t bytes);

}  // namespace corral::checkpoint
