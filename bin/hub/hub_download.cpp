#include "bin/hub/hub_download.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <exception>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "bin/hub/content_hash.h"
#include "bin/hub/http.h"
#include "corral/error.h"
#include "kernel/checkpoint/files.h"

namespace corral::hub {
namespace {
namespace fs = std::filesystem;
using checkpoint::size_text;
constexpr int kTries = 6;
constexpr int kLongestWait = 120;  // limit in seconds of a wait that the hub asks for

struct HubFile {
  std::string name, etag;
  uint64_t size = 0;
};

uint64_t number_in(const std::string& text, uint64_t otherwise) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() ? value : otherwise;
}

// Removes the weak mark and the quotes. The result becomes the name of a file.
std::string plain_etag(std::string etag) {
  if (etag.starts_with("W/")) etag.erase(0, 2);
  std::erase(etag, '"');
  return stays_below(etag) && etag.find('/') == std::string::npos && etag.front() != '.' ? etag : "";
}

// An open file, closed by the destructor.
struct Descriptor {
  int number = -1;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

// True for pickles, formats of other programs, and the copy of the weights that Meta's own code reads.
bool read_elsewhere(const std::string& name) {
  static constexpr const char* kEnds[] = {".bin",  ".pth",  ".pt",     ".h5", ".msgpack", ".onnx",          ".onnx_data",
                                          ".gguf", ".ckpt", ".tflite", ".ot", ".mlmodel", ".bin.index.json"};
  return name.starts_with("original/") || name.starts_with("onnx/") || name.starts_with("coreml/") ||
         std::any_of(std::begin(kEnds), std::end(kEnds), [&](const char* end) { return name.ends_with(end); });
}

class Download {
 public:
  Download(const HubName& name, const DownloadOptions& options)
      : name_(name), options_(options), endpoint_(hub_endpoint()), token_(hub_token()), folder_(hub_folder(name.repository)) {}

  std::string run() {
    list();
    each([&](Http& http, size_t i) { look_up(http, files_[i]); });
    make_room();
    each([&](Http& http, size_t i) { fetch(http, files_[i]); });
    for (const HubFile& f : files_) link(f);
    if (commit_ != name_.revision) {
      const fs::path ref = folder_ / "refs" / name_.revision;
      make_folder(ref.parent_path());
      checkpoint::replace_synced(ref, commit_);
    }
    return (folder_ / "snapshots" / commit_).string();
  }

 private:
  static void make_folder(const fs::path& path) {
    std::error_code error;
    fs::create_directories(path, error);
    if (error) checkpoint::fail_io("make", path, error.value());
  }

  // Fetches the commit of the revision and the list of its files.
  void list() {
    Http http(endpoint_, token_);
    HttpRequest request;
    request.url = endpoint_ + "/api/models/" + name_.repository + "/revision/" + url_escaped(name_.revision);
    const HttpReply reply = ask(http, request, "");
    const nlohmann::json json = nlohmann::json::parse(reply.body, nullptr, false);
    const auto wrong = [&](const char* why) { fail_environment("{}: {}", request.url, why); };
    if (!json.is_object() || !json.contains("sha") || !json["sha"].is_string() || !json.contains("siblings") ||
        !json["siblings"].is_array())
      wrong("this is not an answer of a hub: expected an object with sha and siblings");
    commit_ = json["sha"];
    if (commit_.size() != 40 || commit_.find_first_not_of("0123456789abcdef") != std::string::npos) wrong("its sha is not a commit");
    std::vector<std::string> names;
    for (const auto& entry : json["siblings"]) {
      if (!entry.is_object() || !entry.contains("rfilename") || !entry["rfilename"].is_string()) wrong("a file without rfilename");
      names.push_back(entry["rfilename"]);
      if (!stays_below(names.back())) fail_environment("{}: a file named \"{}\" would leave its folder", request.url, names.back());
    }
    const bool readable = std::any_of(names.begin(), names.end(), [](const std::string& n) { return n.ends_with(".safetensors"); });
    std::string left;
    for (const std::string& n : names) {
      if (!options_.everything && readable && read_elsewhere(n)) {
        left += (left.empty() ? "" : ", ") + n;
        continue;
      }
      files_.push_back({n, "", 0});
    }
    if (!left.empty()) say("left out, --all fetches them too: " + left);
    if (files_.empty()) fail("{} has no files at {}", name_.repository, name_.revision);
  }

  std::string url_of(const HubFile& f) const {
    return endpoint_ + "/" + name_.repository + "/resolve/" + commit_ + "/" + url_escaped(f.name);
  }

  // Asks for hash and size of a large file: the hub states them in the redirect to its storage.
  void look_up(Http& http, HubFile& f) {
    HttpRequest request;
    request.url = url_of(f);
    request.head = true;
    request.stop_at = [](const HttpReply& r) { return !r.header("x-linked-etag").empty(); };
    const HttpReply reply = ask(http, request, f.name);
    const auto stated = [&](const char* linked, const char* own) {
      const std::string value = reply.header(linked);
      return value.empty() ? reply.header(own) : value;
    };
    f.etag = plain_etag(stated("x-linked-etag", "etag"));
    if (f.etag.empty()) fail_environment("{}: the hub states no etag that could name it: expected a hash", request.url);
    f.size = number_in(stated("x-linked-size", "content-length"), UINT64_MAX);
    if (f.size == UINT64_MAX) fail_environment("{}: the hub does not state its size", request.url);
  }

  fs::path blob(const HubFile& f) const { return folder_ / "blobs" / f.etag; }
  fs::path begun(const HubFile& f) const { return folder_ / "blobs" / (f.etag + ".incomplete"); }
  bool is_whole(const HubFile& f) const {
    std::error_code error;
    return fs::file_size(blob(f), error) == f.size && !error;
  }
  // Bytes of the file on disk.
  uint64_t bytes_of(const HubFile& f) const {
    if (is_whole(f)) return f.size;
    std::error_code error;
    const uint64_t size = fs::file_size(begun(f), error);
    return error ? 0 : std::min(size, f.size);
  }

  void make_room() {
    make_folder(folder_ / "blobs");
    for (const HubFile& f : files_) {
      total_ += f.size;
      done_ += bytes_of(f);
    }
    std::error_code error;
    const fs::space_info space = fs::space(folder_, error);
    if (!error && space.available < total_ - done_)
      throw NoSpace(format("{} needs {} more in {}, but its disk has only {} free", name_.repository, size_text(total_ - done_),
                           folder_.string(), size_text(space.available)));
  }

  void fetch(Http& http, const HubFile& f) {
    if (is_whole(f)) return;
    // One process at a time fetches a file; the hub's own tools use the same lock.
    const fs::path lock_path = hub_cache() / ".locks" / folder_.filename() / (f.etag + ".lock");
    make_folder(lock_path.parent_path());
    const Descriptor lock{::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)};
    if (lock.number < 0) checkpoint::fail_io("write", lock_path, errno);
    if (::flock(lock.number, LOCK_EX) != 0) checkpoint::fail_io("lock", lock_path, errno);
    if (is_whole(f)) return;
    const bool continued = bytes_of(f) > 0;
    fetch_all(http, f);
    std::string found = content_hash(begun(f).string(), f.etag);
    if (!found.empty() && found != f.etag && continued) {
      // The partial file may have belonged to another file.
      start_again(f);
      fetch_all(http, f);
      found = content_hash(begun(f).string(), f.etag);
    }
    if (!found.empty() && found != f.etag) {
      start_again(f);
      fail_environment("{} of {} is not the file that the hub describes: its hash is {}, expected {}\n       it was removed: try again",
                       f.name, name_.repository, found, f.etag);
    }
    std::error_code error;
    fs::rename(begun(f), blob(f), error);
    if (error) checkpoint::fail_io("rename", begun(f), error.value());
    say(format("{} ({}{})", f.name, size_text(f.size), found.empty() ? ", without a hash to compare" : ""));
  }

  void start_again(const HubFile& f) {
    done_ -= bytes_of(f);
    std::error_code ignored;
    fs::remove(begun(f), ignored);
  }

  // Fetches until every byte is there, through cut connections. Tries are counted from the last one that brought data.
  void fetch_all(Http& http, const HubFile& f) {
    Descriptor file{::open(begun(f).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666)};
    if (file.number < 0) checkpoint::fail_io("write", begun(f), errno);
    uint64_t at = bytes_of(f);
    for (int failures = 0;;) {
      const uint64_t before = at;
      std::string why;
      try {
        if (at < f.size) receive(http, f, file.number, at);
        if (at == f.size) break;
        why = format("{}: only {} of {} bytes came", url_of(f), at, f.size);
      } catch (const ConnectionLost& e) {
        why = e.what();
      }
      failures = at > before ? 1 : failures + 1;
      if (failures >= kTries)
        fail_environment("{}\n       {} of {} are kept: the same command continues from there", why, size_text(at), size_text(f.size));
      wait(failures, "");
    }
    if (::ftruncate(file.number, static_cast<off_t>(f.size)) != 0 || ::fsync(file.number) != 0)
      checkpoint::fail_io("write", begun(f), errno);
  }

  void receive(Http& http, const HubFile& f, int file, uint64_t& at) {
    HttpRequest request;
    request.url = url_of(f);
    request.from = at;
    bool begins = true, too_many = false;
    request.sink = [&](const HttpReply& reply, const char* data, size_t size) {
      if (begins) {
        begins = false;
        const std::string range = "bytes " + std::to_string(at) + "-";
        if (reply.status == 200) {
          // The server does not serve parts: everything is sent again.
          done_ -= at;
          at = 0;
        } else if (!reply.header("content-range").starts_with(range)) {
          fail_environment("{}: asked for bytes from {} on, the server gives {}", reply.url, at, reply.header("content-range"));
        }
      }
      too_many = size > f.size - at;
      if (too_many) return false;
      for (size_t written = 0; written < size;) {
        const ssize_t n = ::pwrite(file, data + written, size - written, static_cast<off_t>(at));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) checkpoint::fail_io("write", begun(f), errno);
        written += static_cast<size_t>(n);
        at += static_cast<uint64_t>(n);
        done_ += static_cast<uint64_t>(n);
      }
      show();
      return true;
    };
    ask(http, request, f.name);
    if (too_many) fail_environment("{}: more bytes came than the {} that the hub states", url_of(f), f.size);
  }

  // Repeats the request while the hub is busy; any other refusal is an error in the user's words.
  HttpReply ask(Http& http, const HttpRequest& request, const std::string& file) {
    for (int tries = 1;; ++tries) {
      HttpReply reply;
      try {
        reply = http.send(request);
      } catch (const ConnectionLost&) {
        if (request.sink || tries >= kTries) throw;
        wait(tries, "");
        continue;
      }
      const bool busy = reply.status == 429 || reply.status >= 500;
      if (busy && tries < kTries) {
        wait(tries, reply.header("retry-after"));
        continue;
      }
      if (reply.status != 200 && reply.status != 206 && !(reply.status >= 300 && reply.status < 400)) refuse(reply, file);
      return reply;
    }
  }

  [[noreturn]] void refuse(const HttpReply& reply, const std::string& file) const {
    const std::string& what = name_.repository;
    const std::string said = reply.header("x-error-message"), code = reply.header("x-error-code");
    const std::string note = said.empty() ? "" : "\n       the hub says: " + said;
    switch (reply.status) {
      case 401:
        if (token_.empty())
          fail("{}: the hub asks who you are (401): there is no such model, or it is not open to all; set HF_TOKEN to a token of yours{}",
               what, note);
        fail("{}: the hub does not accept the token (401): make a new one at {}/settings/tokens and set HF_TOKEN{}", what, endpoint_, note);
      case 403:
        fail("{}: this token may not read it (403): ask its owner at {}/{}{}", what, endpoint_, what, note);
      case 404:
        if (!file.empty()) fail("{}: no file {} at {} (404){}", what, file, commit_, note);
        if (code == "RevisionNotFound") fail("{}: no branch, tag or commit \"{}\" (404){}", what, name_.revision, note);
        fail("{}: no such model at {} (404){}", what, endpoint_, note);
      case 429:
        fail_environment("{}: the hub asks to come back later (429), {} times{}", what, kTries, note);
      default:
        fail_environment("{}: the hub answers {}{}", reply.url, reply.status, note);
    }
  }

  // Waits twice as long each time, or as long as the hub asks for.
  static void wait(int tries, const std::string& retry_after) {
    auto time = std::chrono::milliseconds(100) * (1 << tries);
    if (!retry_after.empty()) time = std::chrono::seconds(std::min<uint64_t>(number_in(retry_after, 1), kLongestWait));
    std::this_thread::sleep_for(time);
  }

  // Links the snapshot to the content, which several commits may share.
  void link(const HubFile& f) const {
    const fs::path at = folder_ / "snapshots" / commit_ / f.name;
    make_folder(at.parent_path());
    const fs::path target = fs::path(blob(f)).lexically_relative(at.parent_path());
    std::error_code error;
    if (fs::read_symlink(at, error) == target && !error) return;
    const fs::path beside = at.string() + ".partial";
    fs::remove(beside, error);
    fs::create_symlink(target, beside, error);
    if (error) checkpoint::fail_io("make", beside, error.value());
    fs::rename(beside, at, error);
    if (error) checkpoint::fail_io("rename", beside, error.value());
  }

  // Calls `work` for all files, several at a time; each thread has its own connection.
  void each(const std::function<void(Http&, size_t)>& work) {
    std::atomic<size_t> next{0};
    std::exception_ptr error;
    std::mutex mutex;
    const auto loop = [&] {
      try {
        Http http(endpoint_, token_);
        for (size_t i = next++; i < files_.size(); i = next++) work(http, i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
        next = files_.size();
      }
    };
    {
      std::vector<std::jthread> threads;
      for (size_t t = 0; t < std::min<size_t>(options_.at_once, files_.size()); ++t) threads.emplace_back(loop);
    }
    if (error) std::rethrow_exception(error);
  }

  void say(const std::string& line) {
    const std::lock_guard lock(show_);
    if (options_.say) options_.say(line);
  }
  void show() {
    const std::unique_lock lock(show_, std::try_to_lock);
    if (lock && options_.progress) options_.progress(done_, total_);
  }

  const HubName& name_;
  const DownloadOptions& options_;
  std::string endpoint_, token_, commit_;
  fs::path folder_;
  std::vector<HubFile> files_;
  uint64_t total_ = 0;
  std::atomic<uint64_t> done_{0};
  std::mutex show_;
};

}  // namespace

std::string download(const HubName& name, const DownloadOptions& options) { return Download(name, options).run(); }

}  // namespace corral::hub
