// `corral recipes`: lists the recipes, one per line.
#include <algorithm>
#include <cstdio>

#include "bin/terminal/json.h"
#include "bin/terminal/program_host.h"
#include "bin/terminal/voice.h"
#include "corral/error.h"
#include "kernel/plugin/schemas.h"

namespace corral::cli {
namespace {

using config::RunConfig;

std::string layout(const RunConfig& c) {
  std::string text = "TP" + std::to_string(c.integer("parallel.tensor")) + " PP" + std::to_string(c.integer("parallel.pipeline"));
  if (c.integer("parallel.virtual_pipeline") > 1) text += " VP" + std::to_string(c.integer("parallel.virtual_pipeline"));
  text += " CP" + std::to_string(c.integer("parallel.context"));
  return text + (c.boolean("parallel.sequence") ? " SP" : "");
}

int64_t least_gpus(const RunConfig& c) {
  return c.integer("parallel.tensor") * c.integer("parallel.pipeline") * c.integer("parallel.context");
}

nlohmann::ordered_json as_json(const std::string& name, const RunConfig& c) {
  return {{"name", name},
          {"model", c.text("model.plugin")},
          {"size", c.text("model.size")},
          {"mode", c.text("run.mode")},
          {"tensor", c.integer("parallel.tensor")},
          {"pipeline", c.integer("parallel.pipeline")},
          {"virtual_pipeline", c.integer("parallel.virtual_pipeline")},
          {"context", c.integer("parallel.context")},
          {"sequence", c.boolean("parallel.sequence")},
          {"least_gpus", least_gpus(c)},
          {"gpus", c.integer("run.gpus")},
          {"precision", c.text("precision.plugin")},
          {"peft", c.text("peft.plugin")}};
}

std::vector<std::string> as_line(const std::string& name, const RunConfig& c) {
  const std::string peft = c.text("peft.plugin"), gpus = c.integer("run.gpus") ? std::to_string(c.integer("run.gpus")) : "-";
  return {name,      c.text("model.plugin") + "/" + c.text("model.size"), c.text("run.mode") + (peft == "none" ? "" : " " + peft),
          layout(c), std::to_string(least_gpus(c)) + " / " + gpus,        c.text("precision.plugin")};
}

void print_table(const std::vector<std::vector<std::string>>& lines) {
  std::vector<size_t> widths(lines[0].size());
  for (const auto& line : lines)
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  for (const auto& line : lines) {
    std::string text;
    for (size_t i = 0; i < line.size(); ++i)
      text += line[i] + (i + 1 < line.size() ? std::string(widths[i] - line[i].size() + 2, ' ') : "");
    std::printf("%s\n", text.c_str());
  }
}

int run(const Arguments& arguments) {
  const job::Host& host = host_of(arguments);
  const config::RecipeFolders& folders = host.recipes;
  ManifestSchemas plugins(host.plugins);
  std::vector<std::vector<std::string>> lines{{"name", "model", "mode", "layout", "GPUs least / published", "precision"}};
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  int code = 0;
  for (const std::string& name : folders.names()) {
    try {
      const RunConfig c = config::resolve({.recipe = name, .resolved = "", .config_files = {}, .flags = {}}, folders, plugins);
      lines.push_back(as_line(name, c));
      json.push_back(as_json(name, c));
    } catch (const Error& e) {
      // The other recipes are listed all the same.
      say(format("error: recipe {}: {}", name, e.what()));
      code = e.exit_code();
    }
  }
  if (arguments.has("json"))
    print_json(json);
  else
    print_table(lines);
  return code;
}

constexpr Flag kFlags[] = {{"json", Flag::kNothing, "", "an array of objects"}};

}  // namespace

extern const Command command_recipes{"recipes", "list the recipes", "", kFlags, {}, run};

}  // namespace corral::cli
