// `corral download`: fetches a model of the hub into the cache that the hub's own tools use too.
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "bin/hub/hub_download.h"
#include "bin/terminal/command.h"
#include "bin/terminal/voice.h"
#include "corral/error.h"
#include "kernel/checkpoint/files.h"

namespace corral::cli {
namespace {

constexpr Flag kFlags[] = {
    {"revision", Flag::kValue, "REV", "branch, tag or commit (main); also NAME@REV", ""},
    {"all", Flag::kNothing, "", "every file, also weights in other formats", ""},
    {"jobs", Flag::kValue, "N", "files at once (4)", ""},
};

// Shows the progress at a terminal.
class Line {
 public:
  void show(uint64_t done, uint64_t total) {
    const auto now = std::chrono::steady_clock::now();
    if (!terminal_ || now - last_ < std::chrono::milliseconds(200)) return;
    last_ = now;
    const double seconds = std::chrono::duration<double>(now - first_).count();
    if (!begun_) before_ = done;
    begun_ = true;
    live(format("{} of {}, {}/s", checkpoint::size_text(done), checkpoint::size_text(total),
                checkpoint::size_text(static_cast<uint64_t>(static_cast<double>(done - std::min(done, before_)) / seconds))));
  }

 private:
  const bool terminal_ = shows_live();
  std::chrono::steady_clock::time_point first_ = std::chrono::steady_clock::now(), last_ = first_;
  uint64_t before_ = 0;
  bool begun_ = false;
};

// Extracts the model's name from the address that a browser shows for it.
std::string name_in_address(const std::string& word) {
  const size_t scheme = word.find("://"), host = scheme == word.npos ? scheme : word.find('/', scheme + 3);
  if (host == word.npos) return "";
  const size_t owner = word.find('/', host + 1), end = owner == word.npos ? owner : word.find_first_of("/?#", owner + 1);
  const std::string name = word.substr(host + 1, end == word.npos ? end : end - host - 1);
  return hub::hub_name(name) ? "\n       did you mean \"" + name + "\"?" : "";
}

int run(const Arguments& arguments) {
  const std::string& word = arguments.words[0];
  auto name = hub::hub_name(word);
  if (name && arguments.has("revision")) name = hub::hub_name(name->repository + "@" + arguments.text("revision"));
  if (!name)
    fail("\"{}\": not the name of a model on the hub: expected OWNER/NAME, such as meta-llama/Llama-3.2-1B{}",
         arguments.has("revision") && hub::hub_name(word) ? word + "@" + arguments.text("revision") : word, name_in_address(word));
  const int64_t jobs = arguments.integer("jobs", 4);
  if (jobs < 1 || jobs > 64) fail("--jobs {}: expected 1 to 64", jobs);
  Line line;
  hub::DownloadOptions options;
  options.everything = arguments.has("all");
  options.at_once = static_cast<unsigned>(jobs);
  options.say = say;
  options.progress = [&](uint64_t done, uint64_t total) { line.show(done, total); };
  const std::string folder = hub::download(*name, options);
  say(format("{} is in the cache: use it with --hf-model {}", name->repository, word));
  std::printf("%s\n", folder.c_str());
  return 0;
}

}  // namespace

extern const Command command_download{"download", "fetch a model of the hub into its cache", "NAME", kFlags, {}, run};

}  // namespace corral::cli
