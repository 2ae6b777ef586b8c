// `corral bridge check`: shows which plugins and recipe fit a Hugging Face folder, and the use of each key of its configuration.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "bin/job/found_checkpoint.h"
#include "bin/terminal/json.h"
#include "bin/terminal/program_host.h"
#include "corral/error.h"
#include "kernel/checkpoint/format_io.h"
#include "kernel/checkpoint/weight_map.h"
#include "kernel/config/textproto.h"
#include "kernel/plugin/model.h"
#include "kernel/plugin/schemas.h"

namespace corral::cli {
namespace {
using Json = nlohmann::ordered_json;

constexpr Flag kFlags[] = {{"json", Flag::kNothing, "", "one object", ""}};

const char* use_text(ConfigKey_Use use) {
  return use == ConfigKey_Use::USED ? "used" : use == ConfigKey_Use::IGNORED ? "ignored" : "not supported";
}

// A recipe of the model's family, and the values in which its model differs.
struct NearRecipe {
  std::string name;
  std::vector<std::string> differences;  // "model.hidden_size = 48 (2048)"
};

// Opens a folder whose tensors no installed format knows by its configuration alone, which describes the model as well.
job::FoundCheckpoint without_weights(const std::string& path) {
  job::FoundCheckpoint c;
  c.path = path;
  c.format = c.info.dialect = "hf";
  c.reason = "has config.json";
  c.info.config = config::read_text_file(path + "/config.json");
  return c;
}

class Check {
 public:
  Check(const job::Host& host, const std::string& named) : host_(host) {
    const std::string path = newest_checkpoint(host, named);
    std::error_code error;
    has_weights_ = is_checkpoint(host, path) || !std::filesystem::is_regular_file(path + "/config.json", error);
    checkpoint_ = has_weights_ ? open_checkpoint(host, path) : without_weights(path);
    if (checkpoint_.info.kind == "adapter") fail("{} is an adapter: name the folder of a model", path);
    const DialectConfig config = job::own_config(checkpoint_.info);
    if (config.content.empty()) fail("{}: it has no configuration", path);
    try {
      explain(config);
      model_ = find_model(host, config);
    } catch (const Error& e) {
      throw Error(e.exit_code(), path + ": " + e.what());
    }
    if (model_.plugin.empty()) return;
    if (has_weights_) check_weights();
    find_recipes();
  }

  bool taken() const { return !model_.plugin.empty() && weights_problem_.empty(); }

  Json as_json() const {
    Json json{{"path", checkpoint_.path},
              {"format", checkpoint_.format},
              {"taken", taken()},
              {"has_weights", has_weights_},
              {"model", model_.plugin.empty() ? Json() : Json(model_.plugin)},
              {"refusal", model_.plugin.empty() ? refusal() : weights_problem_},
              {"models", Json::array()},
              {"recipes", Json::array()},
              {"keys", Json::array()}};
    for (const job::FoundModel::Claim& c : model_.claims)
      json["models"].push_back({{"plugin", c.plugin}, {"confidence", c.confidence}, {"reason", c.reason}});
    for (const NearRecipe& r : recipes_) json["recipes"].push_back({{"name", r.name}, {"differences", r.differences}});
    for (const ConfigKey& k : report_.keys) json["keys"].push_back({{"key", k.key}, {"use", use_text(k.use)}, {"why", k.why}});
    return json;
  }

  void print() const {
    const auto line = [](const char* what, const std::string& text) { std::printf("%-8s %s\n", what, text.c_str()); };
    line("path", checkpoint_.path);
    line("format", format("{} ({})", checkpoint_.format, checkpoint_.reason));
    for (const job::FoundModel::Claim& c : model_.claims)
      line(c.plugin == model_.plugin ? "model" : "", format("{}: {} (confidence {})", c.plugin, c.reason, c.confidence));
    if (model_.plugin.empty()) line("model", "none: " + refusal());
    if (!has_weights_)
      line("weights", "none that an installed format reads: only the configuration was examined");
    else if (!model_.plugin.empty())
      line("weights",
           weights_problem_.empty() ? format("{} tensors, each has its parameter", checkpoint_.tensors.size()) : weights_problem_);
    for (const NearRecipe& r : recipes_) {
      line("recipe",
           r.name + (r.differences.empty() ? ": the same model" : format(": {} values of its model differ", r.differences.size())));
      if (&r == &recipes_.front())
        for (const std::string& d : r.differences) line("", "  " + d);
    }
    size_t width = 0;
    for (const ConfigKey& k : report_.keys) width = std::max(width, k.key.size());
    std::printf("\n");
    for (const ConfigKey& k : report_.keys)
      std::printf("%-*s  %s%s%s\n", static_cast<int>(width), k.key.c_str(), use_text(k.use), k.why.empty() ? "" : ": ", k.why.c_str());
  }

 private:
  std::string refusal() const { return model_.refusal.empty() ? "no installed model plugin recognizes its configuration" : model_.refusal; }

  // Explains the keys with the first model plugin that can.
  void explain(const DialectConfig& config) {
    for (const std::string& name : host_.available("model")) {
      try {
        report_ = ModelHandle(host_.plugins.load("model", name)).explain_config(config);
        return;
      } catch (const Unsupported&) {
      }
    }
  }

  void check_weights() {
    const ModelHandle model(host_.plugins.load("model", model_.plugin));
    try {
      checkpoint::check_externals(model.weight_map(model_.options, checkpoint_.info.dialect, checkpoint::weights_of(checkpoint_.tensors)),
                                  checkpoint_.tensors);
    } catch (const Error& e) {
      if (e.exit_code() != 2) throw;
      weights_problem_ = e.what();
    }
  }

  // Finds the recipes of this family whose models differ in the fewest values.
  void find_recipes() {
    const config::RecipeFolders& folders = host_.recipes;
    ManifestSchemas plugins(host_.plugins);
    for (const std::string& name : folders.names()) {
      const config::RunConfig recipe = config::resolve({.recipe = name, .resolved = "", .config_files = {}, .flags = {}}, folders, plugins);
      if (recipe.plugin("model") != model_.plugin) continue;
      config::RunConfig with_file = recipe;
      with_file.absorb("model", model_.options, "the file");
      NearRecipe near{name, {}};
      for (const auto& [key, setting] : with_file.settings())
        if (const config::Setting* own = recipe.find(key); key.starts_with("model.") && own && !(own->value == setting.value))
          near.differences.push_back(format("{} = {} ({})", key, config::to_text(setting.value), config::to_text(own->value)));
      recipes_.push_back(std::move(near));
    }
    if (recipes_.empty()) return;
    const auto fewer = [](const NearRecipe& a, const NearRecipe& b) { return a.differences.size() < b.differences.size(); };
    const size_t fewest = std::min_element(recipes_.begin(), recipes_.end(), fewer)->differences.size();
    std::erase_if(recipes_, [&](const NearRecipe& r) { return r.differences.size() > fewest; });
  }

  const job::Host& host_;
  job::FoundCheckpoint checkpoint_;
  bool has_weights_ = true;
  job::FoundModel model_;
  ConfigReport report_;
  std::string weights_problem_;
  std::vector<NearRecipe> recipes_;
};

int run(const Arguments& arguments) {
  const job::Host& host = host_of(arguments);
  const Check check(host, arguments.words[0]);
  if (arguments.has("json"))
    print_json(check.as_json());
  else
    check.print();
  return check.taken() ? 0 : 1;
}

}  // namespace

extern const Command command_bridge_check{
    "bridge check", "show which plugins and recipe fit a Hugging Face folder, and which of its keys matter", "HF_FOLDER", kFlags, {}, run};

}  // namespace corral::cli
