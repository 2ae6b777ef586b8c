#include "bin/job/run_directory.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "corral/error.h"

namespace corral::job {

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

void RunLog::say(const std::string& line) {
  host_.say(line);
  if (!file_) {
    before_.append(line).append("\n");
    return;
  }
  std::fprintf(file_.get(), "%s\n", line.c_str());
  std::fflush(file_.get());
}

void write_progress(const std::string& folder, const Progress& progress) {
  std::ofstream file(folder + "/progress.json");
  file << nlohmann::ordered_json{{"step", progress.step}, {"rows", progress.rows}}.dump(1) << "\n";
  file.flush();
  if (!file) throw NoSpace("cannot write " + folder + "/progress.json: " + std::strerror(errno));
}

Progress read_progress(const std::string& folder) {
  std::ifstream file(folder + "/progress.json");
  if (!file) fail("{} has no training state: it is a model, not a checkpoint of a run; begin from it with --pretrained-checkpoint", folder);
  try {
    const nlohmann::json json = nlohmann::json::parse(file);
    return {json.at("step").get<uint64_t>(), json.at("rows").get<uint64_t>()};
  } catch (const nlohmann::json::exception& e) {
    fail("{}/progress.json is damaged: {}", folder, e.what());
  }
}

}  // namespace corral::job
