#include "bin/convert/certificate.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "bin/job/resident_memory.h"
#include "corral/error.h"
#include "kernel/checkpoint/element.h"
#include "kernel/checkpoint/files.h"
#include "kernel/checkpoint/format_io.h"

namespace corral::convert {
namespace {
namespace fs = std::filesystem;
using nlohmann::ordered_json;
constexpr uint64_t kLargest = 256 << 20;

ordered_json as_json(const LogitsCheck& check) {
  if (!check.skipped.empty()) return {{"result", "skipped"}, {"reason", check.skipped}};
  return {{"result", check.passed() ? "passed" : "failed"},
          {"prompts", LogitsCheck::kPrompts},
          {"tokens", LogitsCheck::kTokens},
          {"largest_logit", check.largest},
          {"largest_difference", check.difference}};
}

}  // namespace

Conversion::Conversion(const job::Host& host, const job::ModelSource& source, const char* command, std::string format,
                       std::optional<LogitsCheckOptions> check)
    : host_(host), source_(source), command_(command), format_(std::move(format)), wanted_check_(std::move(check)) {}

void Conversion::read_back(const std::string& written) {
  // Sync to the disk meanwhile; its errors are found when the folder is finally synced.
  const std::jthread to_disk([&] {
    try {
      checkpoint::sync_below(written);
    } catch (const std::exception&) {
    }
  });
  const CheckpointReaderHandle reader = CheckpointFormat(host_.plugins.load("checkpoint", format_)).open(written);
  checkpoint::FormatSource target(reader);
  tensors_ = target.tensors();
  scans_ = scan_tensors(target);
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (!scans_[i].problem.empty()) fail_environment("{} cannot be read back: {}", tensors_[i].name, scans_[i].problem);
    bytes_ += static_cast<uint64_t>(checkpoint::element_count(tensors_[i].shape)) * checkpoint::element_bytes(tensors_[i].dtype);
  }
}

double Conversion::seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

void Conversion::certify(const std::string& folder, const std::string& target) {
  seconds_ = seconds();
  const std::string path = source_.adapter ? source_.adapter->path : source_.path;
  ordered_json json{{"format", 1},
                    {"command", command_},
                    {"corral", CORRAL_VERSION},
                    {"source", fs::absolute(path).lexically_normal().string()},
                    {"source_format", source_.adapter ? source_.adapter->info.dialect : source_.info.dialect},
                    {"target", fs::path(target).lexically_relative(folder).string()},
                    {"target_format", format_},
                    {"model", source_.model_plugin},
                    {"tensors", tensors_.size()},
                    {"bytes", bytes_},
                    {"seconds", seconds_},
                    {"gb_per_second", static_cast<double>(bytes_) / seconds_ / 1e9},
                    {"peak_memory_bytes", job::resident_bytes("VmHWM:")}};
  if (wanted_check_) {
    const LogitsCheck check = check_conversion(host_, *wanted_check_, source_, target);
    if (check.skipped.empty() && !check.passed()) fail_check("{}", check.sentence(path, "the written model"));
    check_ = check.skipped.empty() ? check.sentence(path, "the written model") : "the logits are not compared: " + check.skipped;
    json["check"] = as_json(check);
  }
  for (size_t i = 0; i < tensors_.size(); ++i)
    json["hashes"][tensors_[i].name] = {
        {"dtype", checkpoint::dtype_name(tensors_[i].dtype)}, {"shape", tensors_[i].shape}, {"xxh3_128", scans_[i].hash}};
  checkpoint::write_synced(fs::path(folder) / kCertificateName, json.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n");
}

std::string Conversion::summary() const {
  return format("{} tensors, {} in {} s ({}/s), {} of memory at its peak{}", tensors_.size(), checkpoint::size_text(bytes_),
                static_cast<double>(static_cast<int64_t>(seconds_ * 1000)) / 1000,
                checkpoint::size_text(static_cast<uint64_t>(static_cast<double>(bytes_) / seconds_)),
                checkpoint::size_text(job::resident_bytes("VmHWM:")), check_.empty() ? "" : "\n" + check_);
}

std::optional<Certificate> certificate_of(const std::string& checkpoint) {
  std::error_code error;
  const fs::path whole = fs::weakly_canonical(checkpoint, error);
  fs::path folder = whole;
  for (int up = 0; up < 3 && !folder.empty(); ++up, folder = folder.parent_path()) {
    const fs::path path = folder / kCertificateName;
    const uint64_t size = fs::file_size(path, error);
    if (error) continue;
    if (size > kLargest) fail("{}: {} bytes, expected at most {}", path.string(), size, kLargest);
    std::ifstream in(path, std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(in), {});
    Certificate c;
    try {
      const auto json = nlohmann::json::parse(text);
      c.path = path.string();
      c.command = json.at("command");
      c.source = json.at("source");
      // A certificate in a folder above may be a neighbour's.
      if (const std::string target = json.at("target"); !fs::equivalent(folder / target, whole, error)) {
        // The target's path may have changed, if it named its content through another file (the newest one).
        size_t others = 0;
        if (up > 0 || target == ".") continue;
        for (const auto& entry : fs::directory_iterator(folder, error)) others += entry.is_directory();
        if (others != 1) continue;
      }
      for (const auto& [name, one] : json.at("hashes").items()) c.hashes[name] = one.at("xxh3_128");
    } catch (const nlohmann::json::exception& e) {
      fail("{} is damaged: {}", path.string(), e.what());
    }
    return c;
  }
  return {};
}

std::string origin_of(const std::string& checkpoint) {
  const auto c = certificate_of(checkpoint);
  return c ? format("corral {} of {} ({})", c->command, c->source, kCertificateName) : "";
}

}  // namespace corral::convert
