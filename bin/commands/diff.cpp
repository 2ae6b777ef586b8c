// `corral diff`: compares two checkpoints tensor by tensor, whatever their formats.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "bin/convert/compare.h"
#include "bin/convert/logits_check.h"
#include "bin/job/found_checkpoint.h"
#include "bin/job/job.h"
#include "bin/terminal/conversion_flags.h"
#include "bin/terminal/json.h"
#include "bin/terminal/program_host.h"
#include "corral/error.h"
#include "kernel/checkpoint/element.h"
#include "kernel/checkpoint/stored_parameters.h"

namespace corral::cli {
namespace {
using Json = nlohmann::ordered_json;
using convert::TensorDifference;

constexpr Flag kFlags[] = {
    {"json", Flag::kNothing, "", "one object", ""},
    kCheckFlag,
    kCheckMemoryFlag,
};

// One side of the comparison, with the map from its tensors to parameters if it is needed.
class Side {
 public:
  Side(const job::Host& host, const std::string& path) : host_(host), checkpoint_(open_checkpoint(host, newest_checkpoint(host, path))) {}

  const job::FoundCheckpoint& checkpoint() const { return checkpoint_; }
  bool is_adapter() const { return checkpoint_.info.kind == "adapter"; }

  // The configuration of the side's model; empty if there is none.
  DialectConfig config() const {
    const DialectConfig own = job::own_config(checkpoint_.info);
    return own.content.empty() && !checkpoint_.info.others.empty() ? checkpoint_.info.others[0] : own;
  }

  // Finds the side's model. `other` describes a model without a configuration of its own. Throws Error (2) with the reason if no plugin
  // knows it.
  void find_model_of(const DialectConfig& other) {
    if (is_adapter()) {
      source_ = open_model_folder(host_, {.path = checkpoint_.path});
      const config::RunConfig config = configure_for(host_, config::Sources{}, *source_);
      const train::Pipeline pipeline = make_pipeline(host_, config);
      map_ = weight_map_of(*source_->adapter, pipeline);
      parameters_ = checkpoint::parameters_of(pipeline.evaluation(1, 8).graph);
    } else {
      const DialectConfig own = config();
      const job::FoundModel found = find_model(host_, own.content.empty() ? other : own);
      if (found.plugin.empty()) fail("{}: {}", checkpoint_.path, found.refusal.empty() ? "no plugin recognizes its model" : found.refusal);
      source_.emplace();
      source_->path = checkpoint_.path;
      source_->reader = checkpoint_.reader;
      source_->info = checkpoint_.info;
      source_->model_plugin = found.plugin;
      source_->options = found.options;
      const ModelHandle model(host_.plugins.load("model", found.plugin));
      map_ = weight_map_of(*source_, model, found.options);
      parameters_ = checkpoint::parameters_of(model.emit(found.options, 1, 8));
    }
    const auto names = checkpoint::parameters_in(map_);
    std::erase_if(parameters_, [&](const TensorInfo& t) { return !names.contains(t.name); });
  }
  const job::ModelSource& source() const { return *source_; }
  const WeightMap& map() const { return map_; }
  const std::vector<TensorInfo>& parameters() const { return parameters_; }

 private:
  const job::Host& host_;
  job::FoundCheckpoint checkpoint_;
  std::optional<job::ModelSource> source_;
  WeightMap map_;
  std::vector<TensorInfo> parameters_;
};

class Comparison {
 public:
  Comparison(const Arguments& arguments, const job::Host& host, Side& a, Side& b) : a_(a), b_(b) {
    if (a.is_adapter() != b.is_adapter())
      fail("{} is an adapter, {} a whole model: there is nothing to compare", (a.is_adapter() ? a : b).checkpoint().path,
           (a.is_adapter() ? b : a).checkpoint().path);
    const auto check = wanted_check(arguments);
    bool compared = false;
    if (!same_tensors() || check) {
      try {
        a.find_model_of(b.config());
        b.find_model_of(a.config());
        by_parameters();
        compared = true;
      } catch (const Error& e) {
        // Checkpoints of one format can be compared by tensor names even if the model is unknown.
        if (e.exit_code() != 2 || a.checkpoint().format != b.checkpoint().format || check) throw;
        all_.clear();
      }
    }
    if (!compared) by_names();
    if (check) check_ = convert::check_logits(host, *check, a.source(), b.source());
  }

  size_t differing() const {
    return static_cast<size_t>(std::count_if(all_.begin(), all_.end(), [](const TensorDifference& d) { return !d.equal(); })) +
           only_a_.size() + only_b_.size();
  }
  bool equal() const { return differing() == 0 && (!check_ || !check_->skipped.empty() || check_->passed()); }

  Json as_json() const {
    Json json{{"a", side(a_)},        {"b", side(b_)},       {"equal", equal()}, {"tensors", Json::array()},
              {"only_in_a", only_a_}, {"only_in_b", only_b_}};
    for (const TensorDifference& d : all_) {
      Json one{{"name", d.tensor.name}, {"shape", d.tensor.shape}, {"dtype", checkpoint::dtype_name(d.tensor.dtype)}, {"equal", d.equal()}};
      if (!d.problem.empty()) {
        one["problem"] = d.problem;
      } else {
        one["other_dtype"] = checkpoint::dtype_name(d.other_dtype);
        one["compared"] = d.compared;
        one["differing"] = d.differing;
        one["max_abs"] = number(d.max_abs);
        one["relative"] = number(d.relative());
      }
      json["tensors"].push_back(std::move(one));
    }
    if (check_) json["check"] = check_->skipped.empty() ? sentence() : "skipped: " + check_->skipped;
    return json;
  }

  void print() const {
    size_t width = 6;
    for (const TensorDifference& d : all_) width = std::max(width, d.tensor.name.size());
    std::printf("A  %s (%s)\nB  %s (%s)\n\n%-*s  %12s  %12s  %12s\n", a_.checkpoint().path.c_str(), a_.checkpoint().format.c_str(),
                b_.checkpoint().path.c_str(), b_.checkpoint().format.c_str(), static_cast<int>(width), "tensor", "differing", "max abs",
                "relative");
    for (const TensorDifference& d : all_) {
      std::printf("%-*s  ", static_cast<int>(width), d.tensor.name.c_str());
      if (!d.problem.empty())
        std::printf("%s\n", d.problem.c_str());
      else if (d.equal())
        std::printf("%12s\n", "equal");
      else
        std::printf("%12llu  %12.6g  %12.6g%s\n", static_cast<unsigned long long>(d.differing), d.max_abs, d.relative(), types(d).c_str());
    }
    for (const std::string& name : only_a_) std::printf("%-*s  only in A\n", static_cast<int>(width), name.c_str());
    for (const std::string& name : only_b_) std::printf("%-*s  only in B\n", static_cast<int>(width), name.c_str());
    std::printf("\n%zu tensors, %zu differ\n", all_.size() + only_a_.size() + only_b_.size(), differing());
    if (left_) std::printf("%zu tensors of optimizers are not compared\n", left_);
    if (check_)
      std::printf("%s\n", check_->skipped.empty() ? sentence().c_str() : ("the logits are not compared: " + check_->skipped).c_str());
  }

 private:
  static Json number(double value) { return std::isfinite(value) ? Json(value) : Json("infinite"); }
  static Json side(const Side& s) { return {{"path", s.checkpoint().path}, {"format", s.checkpoint().format}}; }
  static std::string types(const TensorDifference& d) {
    if (d.other_dtype == d.tensor.dtype) return "";
    return format("  {} and {}", checkpoint::dtype_name(d.tensor.dtype), checkpoint::dtype_name(d.other_dtype));
  }
  std::string sentence() const { return check_->sentence("A", "B"); }

  // True if both sides have the same tensors under the same names; then the model need not be known.
  bool same_tensors() const {
    const auto key = [](const TensorInfo& t) { return t.name + checkpoint::shape_text(t.shape); };
    const auto keys = [&](const Side& s) {
      std::vector<std::string> all;
      for (const TensorInfo& t : s.checkpoint().tensors) all.push_back(key(t));
      std::sort(all.begin(), all.end());
      return all;
    };
    return a_.checkpoint().format == b_.checkpoint().format && keys(a_) == keys(b_);
  }

  void by_names() {
    checkpoint::FormatSource a(*a_.checkpoint().reader), b(*b_.checkpoint().reader);
    std::vector<TensorInfo> common;
    for (const TensorInfo& t : a.tensors())
      if (checkpoint::find_tensor(b.tensors(), t.name) < b.tensors().size())
        common.push_back(t);
      else
        only_a_.push_back(t.name);
    for (const TensorInfo& t : b.tensors())
      if (checkpoint::find_tensor(a.tensors(), t.name) == a.tensors().size()) only_b_.push_back(t.name);
    all_ = convert::compare_through_map(convert::same_names(common), common, a, b);
  }

  void by_parameters() {
    checkpoint::FormatSource a(*a_.checkpoint().reader);
    checkpoint::StoredParameters b(*b_.checkpoint().reader, b_.map(), b_.parameters());
    checkpoint::check_weight_map(a_.map(), a_.parameters());
    checkpoint::check_externals(a_.map(), a.tensors());
    all_ = convert::compare_through_map(a_.map(), a_.parameters(), a, b.tensors());
    const auto mine = checkpoint::parameters_in(a_.map());
    for (const TensorInfo& t : b.tensors().tensors())
      if (!mine.contains(t.name)) only_b_.push_back(t.name);
    for (const Side* s : {&a_, &b_})
      for (const TensorInfo& t : s->checkpoint().tensors) left_ += !t.part.empty();
  }
  Side &a_, &b_;
  std::vector<TensorDifference> all_;
  std::vector<std::string> only_a_, only_b_;
  size_t left_ = 0;
  std::optional<convert::LogitsCheck> check_;
};

int run(const Arguments& arguments) {
  const job::Host& host = host_of(arguments);
  Side a(host, arguments.words[0]), b(host, arguments.words[1]);
  const Comparison comparison(arguments, host, a, b);
  if (arguments.has("json"))
    print_json(comparison.as_json());
  else
    comparison.print();
  return comparison.equal() ? 0 : 1;
}

}  // namespace

extern const Command command_diff{"diff", "compare two checkpoints of any formats, tensor by tensor", "A B", kFlags, {}, run};

}  // namespace corral::cli
