#include "kernel/checkpoint/store.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "corral/error.h"
#include "kernel/checkpoint/files.h"
#include "kernel/checkpoint/manifest.h"

namespace corral::checkpoint {
namespace {
namespace fs = std::filesystem;
constexpr char kLatestName[] = "latest_checkpointed_iteration.txt";
constexpr std::string_view kPrefix = "iter_", kPartial = ".partial", kLatest = "latest_";

void tell(const Say& say, const std::string& line) {
  if (say) say(line);
}

// iter_0000500 -> 500
std::optional<uint64_t> iteration_of(std::string_view name) {
  if (!name.starts_with(kPrefix)) return {};
  name.remove_prefix(kPrefix.size());
  if (name.size() < 7 || name.size() > 18) return {};
  uint64_t iteration = 0;
  for (const char c : name) {
    if (c < '0' || c > '9') return {};
    iteration = iteration * 10 + static_cast<uint64_t>(c - '0');
  }
  return iteration;
}

bool is_leftover(const fs::path& path) {
  const std::string name = path.filename().string();
  if (!name.ends_with(kPartial)) return false;
  const std::string whole = name.substr(0, name.size() - kPartial.size());
  return whole.starts_with(kLatest) || iteration_of(whole).has_value();
}

std::vector<fs::path> entries(const std::string& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) paths.push_back(at->path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

// Moves files that belong beside the checkpoints out of the folder.
std::vector<std::pair<std::string, std::string>> take_latest(const fs::path& folder) {
  std::vector<std::pair<std::string, std::string>> files;
  for (const fs::path& path : entries(folder)) {
    if (!path.filename().string().starts_with(kLatest) || !fs::is_regular_file(path)) continue;
    std::ifstream in(path, std::ios::binary);
    files.emplace_back(path.filename().string(), std::string{std::istreambuf_iterator<char>(in), {}});
    fs::remove(path);
  }
  return files;
}

// Renames the finished folder in one step. A folder that already has the name, from a run that resumed from an earlier state, is exchanged
// and removed.
void take_name(const fs::path& partial, const fs::path& whole) {
  if (::renameat2(AT_FDCWD, partial.c_str(), AT_FDCWD, whole.c_str(), RENAME_NOREPLACE) == 0) return;
  if (errno == EEXIST && ::renameat2(AT_FDCWD, partial.c_str(), AT_FDCWD, whole.c_str(), RENAME_EXCHANGE) == 0) {
    fs::remove_all(partial);
    return;
  }
  // A file system that knows neither flag.
  std::error_code ignored;
  fs::remove_all(whole, ignored);
  if (::rename(partial.c_str(), whole.c_str()) != 0) fail_io("rename", partial, errno);
}

void remove_old(const std::string& checkpoints, uint64_t keep) {
  const std::vector<Found> all = list_checkpoints(checkpoints);
  for (size_t i = keep; keep > 0 && i < all.size(); ++i) {
    // Under a name that readers ignore, so that a killed removal leaves no partial checkpoint.
    const std::string doomed = all[i].path + std::string(kPartial);
    std::error_code error;
    fs::remove_all(doomed, error);
    fs::rename(all[i].path, doomed, error);
    if (!error) fs::remove_all(doomed, error);
  }
}

// Removes the folder and says so, for the end of a message.
std::string removed(const fs::path& partial) {
  const uint64_t bytes = bytes_below(partial);
  std::error_code error;
  fs::remove_all(partial, error);
  if (error) return format("could not remove {}: {}", partial.string(), error.message());
  return format("removed {} ({})", partial.string(), size_text(bytes));
}

}  // namespace

std::string checkpoint_name(uint64_t iteration) {
  char name[32];
  std::snprintf(name, sizeof name, "iter_%07llu", static_cast<unsigned long long>(iteration));
  return name;
}

std::string save_checkpoint(const std::string& checkpoints, uint64_t iteration, const std::function<void(const std::string&)>& write,
                            const SaveOptions& options) {
  const fs::path whole = fs::path(checkpoints) / checkpoint_name(iteration), partial = whole.string() + std::string(kPartial);
  std::error_code error;
  fs::create_directories(checkpoints, error);
  if (error) fail_io("make", checkpoints, error.value());
  remove_leftovers(checkpoints, options.say);
  if (fs::create_directory(partial, error); error) fail_io("make", partial, error.value());
  std::vector<std::pair<std::string, std::string>> latest;
  try {
    write(partial.string());
    latest = take_latest(partial);
    if (options.manifest)
      write_manifest(partial, iteration);
    else
      sync_below(partial);
    take_name(partial, whole);
    sync_folder(checkpoints);
  } catch (const NoSpace& e) {
    const std::string text = removed(partial);
    throw NoSpace(
        format("{}\n       {}{}", e.what(), text, list_checkpoints(checkpoints).empty() ? "" : "; checkpoints saved before are untouched"));
  } catch (const fs::filesystem_error& e) {
    const std::string text = removed(partial);
    fail_environment("{}\n       {}", e.what(), text);
  } catch (...) {
    removed(partial);
    throw;
  }
  for (const auto& [name, content] : latest) replace_synced(fs::path(checkpoints) / name, content);
  replace_synced(fs::path(checkpoints) / kLatestName, std::to_string(iteration) + "\n");
  remove_old(checkpoints, options.keep);
  return whole.string();
}

void remove_leftovers(const std::string& checkpoints, const Say& say) {
  for (const fs::path& path : entries(checkpoints))
    if (is_leftover(path)) tell(say, removed(path) + ", left by a save that did not finish");
}

std::vector<Found> list_checkpoints(const std::string& checkpoints) {
  std::vector<Found> all;
  for (const fs::path& path : entries(checkpoints)) {
    std::error_code ignored;
    if (const auto iteration = iteration_of(path.filename().string()); iteration && fs::is_directory(path, ignored))
      all.push_back({path.string(), *iteration});
  }
  std::stable_sort(all.begin(), all.end(), [](const Found& a, const Found& b) { return a.iteration > b.iteration; });
  return all;
}

std::optional<Found> newest_verified(const std::string& checkpoints, const Say& say) {
  for (const fs::path& path : entries(checkpoints))
    if (is_leftover(path) && fs::is_directory(path)) tell(say, format("skipped {}: its save did not finish", path.string()));
  for (const Found& found : list_checkpoints(checkpoints)) {
    try {
      verify_manifest(found.path, found.iteration);
      return found;
    } catch (const std::exception& e) {
      tell(say, format("skipped {}: {}", found.path, e.what()));
    }
  }
  return {};
}

Found verified(const std::string& path) {
  fs::path folder = fs::path(path).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  const auto iteration = iteration_of(folder.filename().string());
  if (!iteration) fail("{} is not a checkpoint of a run: expected a folder iter_0000000", path);
  try {
    verify_manifest(folder, *iteration);
  } catch (const Error& e) {
    throw Error(e.exit_code(), format("{} is not a whole checkpoint: {}", path, e.what()));
  }
  return {folder.string(), *iteration};
}

void require_finished(const std::string& path) {
  fs::path folder = fs::path(path).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  if (folder.string().ends_with(kPartial)) fail("{} is not whole: the program that wrote it did not finish", path);
}

Located locate_checkpoint(const std::string& path, const Say& say) {
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    fail("{}: no such checkpoint: expected a run directory, one of its checkpoints, or a model's folder", path);
  require_finished(path);
  const std::string inside = (fs::path(path) / "checkpoints").string();
  for (const std::string& folder : {inside, path}) {
    const std::vector<Found> all = list_checkpoints(folder);
    if (all.empty()) continue;
    // Other programs' folders have such names too, but no manifest.
    const auto ours = [&](const Found& f) { return fs::exists(fs::path(f.path) / kManifestName, ignored); };
    if (std::none_of(all.begin(), all.end(), ours)) return {folder, {}};
    std::string skipped;
    const auto found = newest_verified(folder, [&](const std::string& line) {
      skipped += "\n       " + line;
      tell(say, line);
    });
    if (!found) fail("{}: no whole checkpoint{}", folder, skipped);
    return {found->path, found->iteration};
  }
  if (fs::is_directory(inside, ignored)) fail("{}: the run has saved no checkpoint yet", path);
  if (!fs::exists(fs::path(path) / kManifestName, ignored)) return {path, {}};
  const Found found = verified(path);
  return {found.path, found.iteration};
}

}  // namespace corral::checkpoint
