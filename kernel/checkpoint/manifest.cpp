#include "kernel/checkpoint/manifest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "corral/error.h"
#include "kernel/checkpoint/files.h"
#include "kernel/checkpoint/hash128.h"

namespace corral::checkpoint {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;
constexpr uint64_t kLargestManifest = 64 << 20;
constexpr int kDeepest = 8;
constexpr uint64_t kReadBytes = 4 << 20;

struct Digest {
  uint64_t size = 0;
  std::string xxh3_128;
};

struct Extent {
  uint64_t end = 0;
  bool hole = false;
};

// Finds the hole, or the data, that contains a byte of the file. Data without an end if the file ends or its system has no holes.
Extent extent_at(int file, uint64_t at) {
  const auto next = [&](int whence) { return ::lseek(file, static_cast<off_t>(at), whence); };
  off_t data = next(SEEK_DATA);
  if (struct stat status{}; data < 0 && errno == ENXIO && ::fstat(file, &status) == 0) data = status.st_size;
  if (data > static_cast<off_t>(at)) return {static_cast<uint64_t>(data), true};
  const off_t hole = next(SEEK_HOLE);
  return {hole > static_cast<off_t>(at) ? static_cast<uint64_t>(hole) : UINT64_MAX, false};
}

// Reads the file to its end. If `sync`, also syncs it.
Digest digest(const fs::path& path, bool sync) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) fail_io("read", path, errno);
  const std::unique_ptr<const int, void (*)(const int*)> closer(&file, [](const int* f) { ::close(*f); });
  Hash128 hash;
  std::vector<char> buffer(kReadBytes);
  Digest d;
  for (Extent extent;;) {
    if (d.size == extent.end) extent = extent_at(file, d.size);
    const uint64_t piece = std::min(kReadBytes, extent.end - d.size);
    if (extent.hole) {
      // Reading a hole would fill the system's memory with pages of zeros.
      std::fill(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(piece), 0);
      hash.update(buffer.data(), piece);
      d.size += piece;
      continue;
    }
    const ssize_t n = ::pread(file, buffer.data(), piece, static_cast<off_t>(d.size));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_io("read", path, errno);
    if (n == 0) break;
    hash.update(buffer.data(), static_cast<size_t>(n));
    d.size += static_cast<uint64_t>(n);
  }
  if (sync && ::fsync(file) != 0) fail_io("sync", path, errno);
  d.xxh3_128 = hash.hex();
  return d;
}

json read_json(const fs::path& path) {
  std::error_code error;
  const uint64_t size = fs::file_size(path, error);
  if (error) fail("it has no {}: the save did not finish", kManifestName);
  if (size > kLargestManifest) fail("{} has {} bytes, expected at most {}", kManifestName, size, kLargestManifest);
  std::ifstream in(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto shallow = [](int depth, json::parse_event_t, json&) {
    if (depth > kDeepest) fail("{} is nested more than {} deep", kManifestName, kDeepest);
    return true;
  };
  try {
    return json::parse(text, shallow);
  } catch (const json::exception& e) {
    fail("{} is damaged: {}", kManifestName, e.what());
  }
}

bool stays_below(const fs::path& name) {
  if (name.empty() || name.is_absolute()) return false;
  for (const fs::path& part : name)
    if (part == ".." || part == "." || part.empty()) return false;
  return true;
}

}  // namespace

void write_manifest(const fs::path& folder, uint64_t iteration) {
  nlohmann::ordered_json manifest;
  manifest["format"] = 1;
  manifest["iteration"] = iteration;
  manifest["files"] = nlohmann::ordered_json::object();
  for (const std::string& name : files_below(folder)) {
    const Digest d = digest(folder / name, true);
    manifest["files"][name] = {{"size", d.size}, {"xxh3_128", d.xxh3_128}};
  }
  for (const fs::path& sub : folders_below(folder)) sync_folder(sub);
  write_synced(folder / kManifestName, manifest.dump(1) + "\n");
  sync_folder(folder);
}

void verify_manifest(const fs::path& folder, uint64_t iteration) {
  const json manifest = read_json(folder / kManifestName);
  const auto damaged = [](const std::string& why) { fail("{} is damaged: {}", kManifestName, why); };
  if (!manifest.is_object() || !manifest.contains("files") || !manifest["files"].is_object()) damaged("it lists no files");
  if (manifest.value("format", json()) != json(1))
    fail("{} has format {}: expected 1; a newer Corral wrote it", kManifestName, manifest.value("format", json()).dump());
  if (manifest.value("iteration", json()) != json(iteration)) damaged("its iteration is not that of the folder");
  for (const auto& [name, entry] : manifest["files"].items()) {
    if (!stays_below(name)) damaged("it names a file outside of the folder");
    if (!entry.is_object() || !entry.contains("size") || !entry["size"].is_number_unsigned() || !entry.contains("xxh3_128") ||
        !entry["xxh3_128"].is_string())
      damaged(name + " has no size or no hash");
    struct stat status {};
    if (::stat((folder / name).c_str(), &status) != 0 || !S_ISREG(status.st_mode)) fail("{} is missing", name);
    // Checks the size first: it costs nothing, and distinguishes a truncated file from a changed one.
    const auto size = entry["size"].get<uint64_t>();
    if (static_cast<uint64_t>(status.st_size) != size) fail("{} has {} bytes, expected {}", name, status.st_size, size);
  }
  for (const auto& [name, entry] : manifest["files"].items())
    if (digest(folder / name, false).xxh3_128 != entry["xxh3_128"].get_ref<const std::string&>())
      fail("{} is damaged: its content does not agree with its hash", name);
}

}  // namespace corral::checkpoint
