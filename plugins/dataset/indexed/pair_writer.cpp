#include "plugins/dataset/indexed/pair_writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <numeric>

#include "corral/error.h"
#include "plugins/dataset/indexed/index.h"
#include "plugins/dataset/indexed/pair.h"

namespace corral::indexed {
namespace {
namespace fs = std::filesystem;

const std::string kPartial = ".partial";

// Returns 0 or the errno of the failure.
int write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

// Flushes a file or a folder's entries to the disk and closes it. Returns 0 or the errno of the failure.
int sync_and_close(int file) {
  if (file < 0) return errno;
  const int error = ::fsync(file) == 0 ? 0 : errno;
  return ::close(file) == 0 ? error : errno;
}
}  // namespace

PairWriter::PairWriter(const std::string& prefix, const TokenType& type) : prefix_(prefix), type_(type) {
  if (prefix.empty() || prefix.ends_with('/')) fail("\"{}\" is not a prefix for file names: give one such as data/text", prefix);
  const std::string partial = prefix + ".bin" + kPartial;
  // A .bin without an index but with an .idx.partial is left from a kill in finish(), and may be replaced.
  if (exists(prefix + ".idx") || (exists(prefix + ".bin") && !exists(prefix + ".idx" + kPartial)))
    fail("{} exists already: name another prefix, or remove it", prefix + (exists(prefix + ".idx") ? ".idx" : ".bin"));
  std::error_code error;
  if (const fs::path folder = fs::path(prefix).parent_path(); !folder.empty()) fs::create_directories(folder, error);
  if (error) fail_to("make the folder of", prefix, error.value());
  tokens_file_ = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (tokens_file_ < 0) fail_to("write", partial, errno);
  if (::flock(tokens_file_, LOCK_EX | LOCK_NB) != 0) {
    ::close(tokens_file_);
    fail("{} is being written by another process", partial);
  }
  ::unlink((prefix + ".bin").c_str());
  ::unlink((prefix + ".idx" + kPartial).c_str());
  if (::ftruncate(tokens_file_, 0) != 0) fail_to("write", partial, errno);
}

PairWriter::~PairWriter() {
  if (finished_) return;
  for (const char* ending : {".bin", ".idx"}) ::unlink((prefix_ + ending + kPartial).c_str());
  if (tokens_file_ >= 0) ::close(tokens_file_);
}

void PairWriter::add(const std::string& tokens, const std::vector<int32_t>& lengths) {
  if (const int error = write_all(tokens_file_, tokens)) fail_to("write", prefix_ + ".bin" + kPartial, error);
  bytes_ += tokens.size();
  lengths_.insert(lengths_.end(), lengths.begin(), lengths.end());
}

void PairWriter::finish() {
  std::vector<uint64_t> ends(lengths_.size());
  std::iota(ends.begin(), ends.end(), 1);
  const std::string partial = prefix_ + ".idx" + kPartial;
  const int index_file = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (index_file < 0) fail_to("write", partial, errno);
  const int index_error = write_all(index_file, make_index(type_, lengths_, ends)), index_sync = sync_and_close(index_file);
  if (const int error = index_error ? index_error : index_sync) fail_to("write", partial, error);
  if (::fsync(tokens_file_) != 0) fail_to("write", prefix_ + ".bin" + kPartial, errno);
  rename(".bin");
  rename(".idx");
  finished_ = true;
  const fs::path folder = fs::path(prefix_).parent_path();
  const std::string name = folder.empty() ? "." : folder.string();
  if (const int error = sync_and_close(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC))) fail_to("sync", name, error);
  ::close(tokens_file_);
}

void PairWriter::rename(const std::string& ending) const {
  const std::string name = prefix_ + ending;
  if (std::rename((name + kPartial).c_str(), name.c_str()) != 0) fail_to("rename", name + kPartial, errno);
}

void PairWriter::fail_to(const char* verb, const std::string& path, int error) const {
  const std::string what = format("cannot {} {}: {}", verb, path, std::strerror(error));
  if (error == ENOSPC || error == EDQUOT) throw NoSpace(format("{}; its {} bytes are removed", what, bytes_));
  throw Error(3, what);
}

}  // namespace corral::indexed
