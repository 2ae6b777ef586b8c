#include "kernel/config/recipe.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "corral/error.h"

namespace corral::config {
namespace fs = std::filesystem;

namespace {

constexpr const char* kSuffix = ".textproto";
constexpr const char* kAliases = "aliases";

std::string place(const std::string& path, int line) { return path + ":" + std::to_string(line); }

void flatten(const Node& node, const std::string& prefix, const std::string& path, const std::string& by, std::vector<Assignment>& to) {
  if (!node.is_message) {
    to.push_back({prefix + node.name, node.values, node.is_list,
                  !by.empty()             ? by
                  : !node.comment.empty() ? node.comment
                                          : path,
                  place(path, node.line)});
    return;
  }
  for (const Node& child : node.children) flatten(child, prefix + node.name + ".", path, by, to);
}

std::string text_of(const Node& node, const std::string& path) {
  if (node.is_message || node.values.size() != 1) fail("{}: {}: expected one value", place(path, node.line), node.name);
  return node.values[0].text;
}

// A block of named parts, each once: key, value, set ...
const Node& part(const Node& block, const char* name, bool is_message, const std::string& path) {
  const Node* found = nullptr;
  for (const Node& child : block.children)
    if (child.name == name) {
      if (found) fail("{}: a second \"{}\" in one {}", place(path, child.line), name, block.name);
      found = &child;
    }
  if (!found || found->is_message != is_message)
    fail("{}: {} needs {}{}", place(path, block.line), block.name, name, is_message ? " { ... }" : ": ...");
  return *found;
}

void only(const Node& block, const std::vector<std::string>& names, const std::string& path) {
  if (!block.is_message) fail("{}: expected {} { ... }", place(path, block.line), block.name);
  for (const Node& child : block.children)
    if (std::find(names.begin(), names.end(), child.name) == names.end())
      fail("{}: {}: no such part of {}{}", place(path, child.line), child.name, block.name, did_you_mean(child.name, names));
}

std::vector<Assignment> assignments(const Node& set, const std::string& prefix, const std::string& path, const std::string& by) {
  std::vector<Assignment> all;
  for (const Node& child : set.children) flatten(child, prefix, path, by, all);
  return all;
}

When parse_when(const Node& block, const std::string& path, const std::string& by) {
  only(block, {"key", "value", "set"}, path);
  When when;
  when.key = text_of(part(block, "key", false, path), path);
  when.values = part(block, "value", false, path).values;
  std::string values;
  for (const Literal& value : when.values) values += (values.empty() ? "" : " or ") + value.text;
  when.by = by + ", when " + when.key + " = " + values;
  when.set = assignments(part(block, "set", true, path), "", path, when.by);
  return when;
}

}  // namespace

Recipe parse_recipe(std::string_view text, const std::string& path, const std::string& by) {
  Recipe recipe;
  recipe.path = path;
  recipe.name = fs::path(path).stem();
  for (const Node& node : parse_textproto(text, path)) {
    if (node.name == "when") {
      recipe.whens.push_back(parse_when(node, path, by));
    } else {
      flatten(node, "", path, by, recipe.values);
    }
  }
  return recipe;
}

std::vector<Alias> parse_aliases(std::string_view text, const std::string& path) {
  std::vector<Alias> all;
  for (const Node& node : parse_textproto(text, path)) {
    if (node.name != "alias") fail("{}: {}: expected alias { ... }", place(path, node.line), node.name);
    only(node, {"key", "name", "value", "set"}, path);
    Alias alias{text_of(part(node, "key", false, path), path),
                text_of(part(node, "name", false, path), path),
                text_of(part(node, "value", false, path), path),
                {}};
    for (const Node& child : node.children)
      if (child.name == "set") alias.set = assignments(child, "", path, alias.name);
    all.push_back(std::move(alias));
  }
  return all;
}

Presets parse_presets(std::string_view text, const std::string& path, const std::string& prefix) {
  Presets all;
  for (const Node& node : parse_textproto(text, path)) {
    if (node.name == "depends") {
      only(node, {"key", "on"}, path);
      Dependence dependence{prefix + text_of(part(node, "key", false, path), path), {}};
      for (const Literal& on : part(node, "on", false, path).values) dependence.on.push_back(prefix + on.text);
      all.depends.push_back(std::move(dependence));
      continue;
    }
    if (node.name != "preset") fail("{}: {}: expected preset { ... } or depends { ... }", place(path, node.line), node.name);
    only(node, {"name", "set"}, path);
    Preset preset{text_of(part(node, "name", false, path), path), {}};
    preset.set = assignments(part(node, "set", true, path), prefix, path, prefix + "size " + preset.name);
    all.presets.push_back(std::move(preset));
  }
  return all;
}

std::vector<std::string> RecipeFolders::names() const {
  std::set<std::string> found;
  std::string searched;
  for (const std::string& folder : folders_) {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folder, none))
      if (entry.path().extension() == kSuffix && entry.path().stem() != kAliases) found.insert(entry.path().stem());
    searched += " " + folder;
  }
  if (found.empty()) fail_environment("no recipes in{}: set CORRAL_RECIPE_PATH", searched);
  return {found.begin(), found.end()};
}

Recipe RecipeFolders::read(const std::string& name) const {
  if (name.find('/') != std::string::npos || fs::path(name).extension() == kSuffix)
    return parse_recipe(read_text_file(name), name, "recipe");
  for (const std::string& folder : folders_) {
    const fs::path path = fs::path(folder) / (name + kSuffix);
    std::error_code none;
    if (name != kAliases && fs::is_regular_file(path, none)) return parse_recipe(read_text_file(path), path, "recipe");
  }
  const std::vector<std::string> known = names();
  // There are many similar recipes, so an unknown name without a near one points to the list.
  const std::string near = nearest(name, known);
  fail("recipe \"{}\": no such recipe\n       {}", name, near.empty() ? "`corral recipes` lists them" : "did you mean \"" + near + "\"?");
}

std::vector<Alias> RecipeFolders::aliases() const {
  for (const std::string& folder : folders_) {
    const fs::path path = fs::path(folder) / (std::string(kAliases) + kSuffix);
    std::error_code none;
    if (fs::is_regular_file(path, none)) return parse_aliases(read_text_file(path), path);
  }
  return {};
}

}  // namespace corral::config
