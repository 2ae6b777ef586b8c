// `corral inspect`: describes a checkpoint of any format. Reads no weights.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

#include "bin/convert/certificate.h"
#include "bin/job/found_checkpoint.h"
#include "bin/terminal/json.h"
#include "bin/terminal/program_host.h"
#include "corral/error.h"
#include "kernel/checkpoint/element.h"
#include "kernel/checkpoint/files.h"
#include "kernel/checkpoint/format_io.h"
#include "kernel/plugin/model.h"
#include "kernel/plugin/peft.h"
#include "kernel/plugin/tokenizer.h"

namespace corral::cli {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr Flag kFlags[] = {{"json", Flag::kNothing, "", "one object", ""}};

uint64_t size_of(const TensorInfo& t) {
  return static_cast<uint64_t>(checkpoint::element_count(t.shape)) * checkpoint::element_bytes(t.dtype);
}

class Inspection {
 public:
  Inspection(const job::Host& host, const std::string& path)
      : host_(host), checkpoint_(open_checkpoint(host, newest_checkpoint(host, path))) {
    if (checkpoint_.info.kind == "adapter")
      find_method();
    else
      find_family();
    if (!has_tokenizer()) missing_.push_back("a tokenizer");
    std::error_code error;
    const bool optimizer =
        fs::exists(fs::path(checkpoint_.path) / "state", error) ||
        std::any_of(checkpoint_.tensors.begin(), checkpoint_.tensors.end(), [](const auto& t) { return !t.part.empty(); });
    if (!optimizer) missing_.push_back("the state of an optimizer: a run can begin from it, but not be resumed");
    if (const std::string& refusal = checkpoint_.info.optimizer_refusal; !refusal.empty())
      missing_.push_back("the state of an optimizer in a form that can be loaded: " + refusal);
  }

  Json as_json() const {
    Json all{{"path", checkpoint_.path},
             {"format", checkpoint_.format},
             {"format_reason", checkpoint_.reason},
             {"kind", checkpoint_.info.kind.empty() ? "model" : checkpoint_.info.kind},
             {"model", model_.empty() ? Json() : Json{{"plugin", model_}, {"reason", model_reason_}}},
             {"iteration", checkpoint_.info.iteration.empty() ? Json() : Json(std::stoull(checkpoint_.info.iteration))},
             {"made_by", made_by()},
             {"bytes", bytes()},
             {"missing", missing_},
             {"files", Json::array()},
             {"tensors", Json::array()}};
    for (const NamedFile& f : checkpoint_.info.files) all["files"].push_back(f.name);
    for (const TensorInfo& t : checkpoint_.tensors) {
      Json one{{"name", t.name}, {"dtype", checkpoint::dtype_name(t.dtype)}, {"shape", t.shape}, {"bytes", size_of(t)}, {"file", t.file}};
      if (!t.part.empty()) one["part"] = t.part;
      all["tensors"].push_back(std::move(one));
    }
    return all;
  }

  void print() const {
    const auto line = [](const char* what, const std::string& text) { std::printf("%-10s %s\n", what, text.c_str()); };
    line("path", checkpoint_.path);
    line("format", format("{} ({})", checkpoint_.format, checkpoint_.reason));
    line(checkpoint_.info.kind == "adapter" ? "method" : "model", model_.empty() ? "not known" : format("{} ({})", model_, model_reason_));
    line("step", checkpoint_.info.iteration.empty() ? "not stated" : checkpoint_.info.iteration);
    for (const std::string& text : made_by()) line("made by", text);
    for (const auto& [part, sums] : parts()) {
      std::string types;
      for (const auto& [dtype, count] : sums.types) types += format("{}{} {}", types.empty() ? "" : ", ", count, dtype);
      line(part.c_str(), format("{} tensors, {} ({})", sums.tensors, checkpoint::size_text(sums.bytes), types));
    }
    std::string files;
    for (const NamedFile& f : checkpoint_.info.files) files += (files.empty() ? "" : ", ") + f.name;
    line("files", files.empty() ? "none but the weights" : files);
    for (const std::string& text : missing_) line("missing", text);
    size_t widths[] = {4, 5};
    for (const TensorInfo& t : checkpoint_.tensors) {
      widths[0] = std::max(widths[0], t.name.size());
      widths[1] = std::max(widths[1], checkpoint::shape_text(t.shape).size());
    }
    std::printf("\n");
    for (const TensorInfo& t : checkpoint_.tensors)
      std::printf("%-*s  %-5s %-*s  %10s  %s\n", static_cast<int>(widths[0]), t.name.c_str(), checkpoint::dtype_name(t.dtype),
                  static_cast<int>(widths[1]), checkpoint::shape_text(t.shape).c_str(), checkpoint::size_text(size_of(t)).c_str(),
                  t.file.c_str());
  }

 private:
  struct Sums {
    size_t tensors = 0;
    uint64_t bytes = 0;
    std::map<std::string, size_t> types;
  };
  std::map<std::string, Sums> parts() const {
    std::map<std::string, Sums> all;
    for (const TensorInfo& t : checkpoint_.tensors) {
      Sums& s = all[t.part.empty() ? "weights" : t.part];
      ++s.tensors;
      s.bytes += size_of(t);
      ++s.types[checkpoint::dtype_name(t.dtype)];
    }
    return all;
  }
  uint64_t bytes() const {
    uint64_t sum = 0;
    for (const TensorInfo& t : checkpoint_.tensors) sum += size_of(t);
    return sum;
  }

  // The configuration in the format's own dialect, else in another one.
  DialectConfig config() const {
    const DialectConfig own = job::own_config(checkpoint_.info);
    return own.content.empty() && !checkpoint_.info.others.empty() ? checkpoint_.info.others[0] : own;
  }

  void find_family() {
    const DialectConfig config = this->config();
    if (config.content.empty()) {
      missing_.push_back("the configuration, which names the model");
      return;
    }
    const job::FoundModel found = find_model(host_, config);
    model_ = found.plugin;
    model_reason_ = found.reason;
    if (model_.empty()) {
      missing_.push_back(found.refusal.empty() ? "a plugin that recognizes its configuration"
                                               : "a plugin that recognizes its configuration: " + found.refusal);
      return;
    }
    const ModelHandle model(host_.plugins.load("model", model_));
    try {
      written_by_ = model.explain_config(config).made_by;
    } catch (const Unsupported&) {
    }
    compare(model.weight_map(found.options, checkpoint_.info.dialect, checkpoint::weights_of(checkpoint_.tensors)));
  }

  // Compares the tensors that the model's map reads with the checkpoint's.
  void compare(const WeightMap& map) {
    std::map<std::string, bool> needed;  // true if it may be left out
    for (const WeightEntry& e : map.entries) {
      const auto [at, first] = needed.emplace(e.external.tensor, e.kind == WeightEntry_Kind::COPY);
      at->second = at->second && e.kind == WeightEntry_Kind::COPY;
    }
    std::map<std::string, const TensorInfo*> there;
    for (const TensorInfo& t : checkpoint_.tensors)
      if (t.part.empty()) there.emplace(t.name, &t);
    for (const TensorInfo& t : map.externals) {
      const auto at = there.find(t.name);
      if (at == there.end()) {
        if (!needed[t.name]) missing_.push_back("the tensor " + t.name);
      } else if (at->second->shape != t.shape) {
        missing_.push_back(format("{} with the shape {} of the configuration: it is {}", t.name, checkpoint::shape_text(t.shape),
                                  checkpoint::shape_text(at->second->shape)));
      }
      there.erase(t.name);
    }
    for (const auto& [name, t] : there) missing_.push_back("a parameter of the model for the tensor " + name);
  }

  void find_method() {
    const DialectConfig config = job::own_config(checkpoint_.info);
    uint32_t confidence = 0;
    for (const std::string& name : host_.available("peft")) {
      try {
        const Recognition r = PeftHandle(host_.plugins.load("peft", name)).recognize(config);
        if (r.confidence <= confidence) continue;
        confidence = r.confidence;
        model_ = name;
        model_reason_ = r.reason + (r.base.empty() ? "" : "; for " + r.base);
      } catch (const Error& e) {
        if (e.exit_code() != 2) throw;  // another method's configuration
      }
    }
    if (model_.empty()) missing_.push_back("a peft plugin that recognizes its configuration");
  }

  bool has_tokenizer() const {
    for (const std::string& name : host_.available("tokenizer"))
      if (TokenizerMethod(host_.plugins.load("tokenizer", name)).probe(checkpoint_.files_folder()).confidence > 0) return true;
    return false;
  }

  std::vector<std::string> made_by() const {
    std::vector<std::string> all;
    if (checkpoint_.of_run) all.push_back("a run of Corral (MANIFEST.json)");
    if (const std::string text = convert::origin_of(checkpoint_.path); !text.empty()) all.push_back(text);
    if (!written_by_.empty()) all.push_back("its configuration: " + written_by_);
    if (!checkpoint_.info.made_by.empty()) all.push_back(checkpoint_.info.made_by);
    return all;
  }

  const job::Host& host_;
  job::FoundCheckpoint checkpoint_;
  std::string model_, model_reason_, written_by_;
  std::vector<std::string> missing_;
};

int run(const Arguments& arguments) {
  const job::Host& host = host_of(arguments);
  const Inspection inspection(host, arguments.words[0]);
  if (arguments.has("json"))
    print_json(inspection.as_json());
  else
    inspection.print();
  return 0;
}

}  // namespace

extern const Command command_inspect{
    "inspect", "describe a checkpoint of any format: model, tensors, origin, missing parts", "PATH", kFlags, {}, run};

}  // namespace corral::cli
