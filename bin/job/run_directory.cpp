#include "bin/job/run_directory.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "corral/error.h"

namespace corral::cli {

std::string run_directory(const config::RunConfig& config) {
  if (const std::string& dir = config.text("run.dir"); !dir.empty()) return dir;
  const std::string name = config.text("run.name").empty() ? config.recipe() : config.text("run.name");
  if (name.empty()) fail("a run needs a directory: --dir PATH, or --name NAME");
  const char* parent = std::getenv("SAVE_DIR");
  return std::string(parent && *parent ? parent : "runs") + "/" + name;
}

void RunLog::open(const std::string& path) {
  file_.reset(std::fopen(path.c_str(), "a"));
  if (!file_) fail_environment("cannot write {}: {}", path, std::strerror(errno));
  std::fputs(std::exchange(before_, "").c_str(), file_.get());
}

void RunLog::say(std::string_view line) {
  if (live_) std::fprintf(stderr, "\r%*s\r", static_cast<int>(live_), "");
  live_ = 0;
  const auto size = static_cast<int>(line.size());
  std::fprintf(stderr, "%.*s\n", size, line.data());
  if (!file_) {
    before_.append(line).append("\n");
    return;
  }
  std::fprintf(file_.get(), "%.*s\n", size, line.data());
  std::fflush(file_.get());
}

void RunLog::live(std::string_view line) {
  // A line that wraps could not be written over.
  if (winsize size{}; ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) line = line.substr(0, size.ws_col - 1u);
  std::fprintf(stderr, "\r%.*s%*s", static_cast<int>(line.size()), line.data(),
               static_cast<int>(live_ > line.size() ? live_ - line.size() : 0), "");
  std::fflush(stderr);
  live_ = line.size();
}

void write_progress(const std::string& folder, const Progress& progress) {
  std::ofstream file(folder + "/progress.json");
  file << nlohmann::ordered_json{{"step", progress.step}, {"rows", progress.rows}}.dump(1) << "\n";
  file.flush();
  if (!file) throw NoSpace("cannot write " + folder + "/progress.json: " + std::strerror(errno));
}

Progress read_progress(const std::string& folder) {
  std::ifstream file(folder + "/progress.json");
  if (!file) fail("{} has no training state: it is a model, not a point of a run; begin from it with --pretrained-checkpoint", folder);
  try {
    const nlohmann::json json = nlohmann::json::parse(file);
    return {json.at("step").get<uint64_t>(), json.at("rows").get<uint64_t>()};
  } catch (const nlohmann::json::exception& e) {
    fail("{}/progress.json is damaged: {}", folder, e.what());
  }
}

}  // namespace corral::cli
