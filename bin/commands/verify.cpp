// `corral verify`: checks whether a checkpoint is whole, by everything that its files say of themselves. Reads every byte.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "bin/convert/certificate.h"
#include "bin/convert/scan.h"
#include "bin/hub/content_hash.h"
#include "bin/job/found_checkpoint.h"
#include "bin/job/model_source.h"
#include "bin/terminal/json.h"
#include "bin/terminal/program_host.h"
#include "corral/error.h"
#include "kernel/checkpoint/format_io.h"
#include "kernel/checkpoint/store.h"
#include "kernel/checkpoint/weight_map.h"
#include "kernel/plugin/model.h"

namespace corral::cli {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr Flag kFlags[] = {{"json", Flag::kNothing, "", "one object", ""}};

class Verification {
 public:
  Verification(const job::Host& host, std::string path) : host_(host), path_(std::move(path)) {
    look("every file against MANIFEST.json", [&] { return check_manifest(); });
    look("the format's own rules", [&] {
      checkpoint_ = open_checkpoint(host_, path_);
      return format("{}: {} tensors, {}", checkpoint_.format, checkpoint_.tensors.size(), checkpoint_.reason);
    });
    if (!checkpoint_.reader) return;
    look("every byte of every tensor", [&] { return read_all(); });
    look("the training state beside it", [&] { return check_state(); });
    if (scans_.empty()) return;
    look("finite values", [&] { return check_values(checkpoint_.tensors, scans_); });
    look("hashes of conversion.json", [&] { return check_certificate(); });
    look("hashes of the hub", [&] { return check_hub(); });
    if (checkpoint_.info.kind != "adapter") look("the tensors of its model", [&] { return check_model(); });
  }

  bool whole() const { return problems_ == 0; }
  const std::string& path() const { return path_; }
  Json as_json() const { return {{"path", path_}, {"whole", whole()}, {"checks", checks_}}; }
  void print() const {
    std::printf("%s\n", path_.c_str());
    for (const Json& c : checks_) {
      std::printf("  %-34s %s\n", c["check"].get<std::string>().c_str(), c["result"].get<std::string>().c_str());
      for (const Json& line : c["problems"]) std::printf("    %s\n", line.get<std::string>().c_str());
    }
  }

 private:
  // Thrown if there is nothing to compare with; it is reported, but not as a fault.
  struct Nothing {
    std::string why;
  };

  template <class F>
  void look(const char* what, F&& check) {
    problems_of_check_.clear();
    std::string result;
    try {
      result = check();
    } catch (const Nothing& n) {
      result = "nothing to compare: " + n.why;
    } catch (const Error& e) {
      if (e.exit_code() > 3) throw;
      problems_of_check_.push_back(e.what());
    }
    if (!problems_of_check_.empty()) result = "wrong";
    problems_ += problems_of_check_.size();
    checks_.push_back({{"check", what}, {"result", result}, {"problems", problems_of_check_}});
  }

  std::string check_manifest() {
    std::error_code error;
    // If the folder is named like a run's checkpoint and its neighbours have a manifest, it should have one too.
    if (!fs::exists(fs::path(path_) / "MANIFEST.json", error)) throw Nothing{"not saved by a run of Corral"};
    checkpoint::verified(path_);
    return "all agree";
  }

  std::string read_all() {
    checkpoint::FormatSource source(*checkpoint_.reader);
    scans_ = convert::scan_tensors(source);
    for (size_t i = 0; i < scans_.size(); ++i)
      if (!scans_[i].problem.empty()) problems_of_check_.push_back(checkpoint_.tensors[i].name + ": " + scans_[i].problem);
    return "all were read, and checksums compared if the format has them";
  }

  std::string check_values(const std::vector<TensorInfo>& tensors, const std::vector<convert::TensorScan>& scans) {
    for (size_t i = 0; i < scans.size(); ++i)
      if (const convert::TensorScan& s = scans[i]; s.nans + s.infinities > 0)
        problems_of_check_.push_back(format("{}: {} NaN and {} infinite", tensors[i].name, s.nans, s.infinities));
    return "all are finite";
  }

  // Moments and masters are stored in a folder of their own, in the format of the weights.
  std::string check_state() {
    const std::string folder = (fs::path(path_) / "state").string();
    const CheckpointFormat state(host_.plugins.load("checkpoint", checkpoint_.format));
    if (state.probe(folder).confidence == 0) throw Nothing{"no tensors of an optimizer"};
    const CheckpointReaderHandle reader = state.open(folder);
    checkpoint::FormatSource source(reader);
    const std::vector<convert::TensorScan> scans = convert::scan_tensors(source);
    for (size_t i = 0; i < scans.size(); ++i)
      if (!scans[i].problem.empty()) problems_of_check_.push_back(source.tensors()[i].name + ": " + scans[i].problem);
    return format("{} tensors, {}", scans.size(), check_values(source.tensors(), scans));
  }

  std::string check_certificate() {
    const auto certificate = convert::certificate_of(path_);
    if (!certificate) throw Nothing{"no conversion.json"};
    for (const auto& [name, hash] : certificate->hashes) {
      const size_t i = checkpoint::find_tensor(checkpoint_.tensors, name);
      if (i == scans_.size())
        problems_of_check_.push_back(name + " no longer exists");
      else if (scans_[i].hash != hash)
        problems_of_check_.push_back(
            format("{} has changed since it was written: its hash is {}, expected {}", name, scans_[i].hash, hash));
    }
    return format("{} tensors agree with {}", certificate->hashes.size(), certificate->path);
  }

  // A file of the hub's cache is a link to content that is named by its hash.
  std::string check_hub() {
    size_t count = 0;
    std::error_code error;
    if (fs::is_directory(path_, error))
      for (const auto& entry : fs::recursive_directory_iterator(path_)) {
        if (!entry.is_symlink() || !entry.is_regular_file()) continue;
        const std::string name = fs::read_symlink(entry.path()).filename().string(), hash = hub::content_hash(entry.path().string(), name);
        if (hash.empty()) continue;
        ++count;
        if (hash != name)
          problems_of_check_.push_back(format("{} has the hash {}, expected {}", entry.path().filename().string(), hash, name));
      }
    if (count == 0) throw Nothing{"no folder of the hub's cache"};
    return format("{} files agree", count);
  }

  std::string check_model() {
    DialectConfig config = job::own_config(checkpoint_.info);
    if (config.content.empty() && !checkpoint_.info.others.empty()) config = checkpoint_.info.others[0];
    if (config.content.empty()) throw Nothing{"it has no configuration that names its model"};
    const job::FoundModel found = find_model(host_, config);
    if (found.plugin.empty()) throw Nothing{found.refusal.empty() ? "no plugin recognizes its configuration" : found.refusal};
    const ModelHandle model(host_.plugins.load("model", found.plugin));
    const WeightMap map = model.weight_map(found.options, checkpoint_.info.dialect, checkpoint::weights_of(checkpoint_.tensors));
    checkpoint::check_weight_map(map, checkpoint::parameters_of(model.emit(found.options, 1, 8)));
    checkpoint::FormatSource source(*checkpoint_.reader);
    checkpoint::check_externals(map, source.tensors());
    checkpoint::check_copies(map, source);
    return found.plugin + ": every parameter is stored once, and no tensor is left over";
  }

  const job::Host& host_;
  std::string path_;
  job::FoundCheckpoint checkpoint_;
  std::vector<convert::TensorScan> scans_;
  std::vector<std::string> problems_of_check_;
  size_t problems_ = 0;
  Json checks_ = Json::array();
};

// All checkpoints of a run, or the one path if it is another program's.
std::vector<std::string> checkpoints_at(const job::Host& host, const std::string& path) {
  const std::string newest = newest_checkpoint(host, path);
  std::vector<std::string> all;
  const fs::path above = (fs::path(newest) / "").parent_path().parent_path();
  std::error_code error;
  if (!fs::equivalent(newest, path, error) && !error)
    for (const checkpoint::Found& f : checkpoint::list_checkpoints(above.string())) all.push_back(f.path);
  if (all.empty()) all.push_back(newest);
  return all;
}

int run(const Arguments& arguments) {
  const job::Host& host = host_of(arguments);
  std::vector<Verification> all;
  for (const std::string& path : checkpoints_at(host, arguments.words[0])) all.emplace_back(host, path);
  Json json = Json::array();
  std::string bad;
  for (const Verification& v : all) {
    if (!v.whole()) bad += (bad.empty() ? "" : ", ") + v.path();
    if (arguments.has("json"))
      json.push_back(v.as_json());
    else
      v.print();
  }
  if (arguments.has("json")) print_json({{"whole", bad.empty()}, {"checkpoints", json}});
  std::fflush(stdout);
  if (!bad.empty()) fail_check("not whole: {}", bad);
  return 0;
}

}  // namespace

extern const Command command_verify{
    "verify", "check that a checkpoint is whole: checksums, coverage, NaN and infinite values", "PATH", kFlags, {}, run};

}  // namespace corral::cli
