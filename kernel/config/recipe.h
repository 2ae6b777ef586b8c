// Recipe files and their folders.
#pragma once

#include <string>
#include <vector>

#include "kernel/config/textproto.h"

namespace corral::config {

// One key and the value that a user or a file gives it.
struct Assignment {
  std::string key;
  std::vector<Literal> literals;
  bool is_list = false;
  std::string by;     // "--tp", "recipe", "--config a.textproto": what `recipes show` prints
  std::string where;  // "a.textproto:12", or empty
};

// when { key: "peft.plugin" value: NAME set { ... } }: `set` applies if the key has one of the values.
struct When {
  std::string key;
  std::vector<Literal> values;
  std::vector<Assignment> set;
  std::string by;
};

struct Recipe {
  std::string name, path;
  std::vector<Assignment> values;
  std::vector<When> whens;
};

// alias { key: "precision.plugin" name: "bf16_mixed" value: "bf16" set { ... } }: another spelling of a value.
struct Alias {
  std::string key, name, value;
  std::vector<Assignment> set;
};

// `by` names the origin of the values; if it is empty, the comment after each value names it (a resolved configuration).
Recipe parse_recipe(std::string_view text, const std::string& path, const std::string& by);
std::vector<Alias> parse_aliases(std::string_view text, const std::string& path);

// preset { name: "8b" set { hidden_size: 4096 } }: the values of SECTION.size, keys with the prefix.
struct Preset {
  std::string name;
  std::vector<Assignment> set;
};

// depends { key: "head_dim" on: ["hidden_size"] }: a preset's value of the key applies only while none of the others is set.
struct Dependence {
  std::string key;
  std::vector<std::string> on;
};

struct Presets {
  std::vector<Preset> presets;
  std::vector<Dependence> depends;
};
Presets parse_presets(std::string_view text, const std::string& path, const std::string& prefix);

// Folders with NAME.textproto and aliases.textproto; the first folder that has a name wins.
class RecipeFolders {
 public:
  explicit RecipeFolders(std::vector<std::string> folders) : folders_(std::move(folders)) {}
  const std::vector<std::string>& folders() const { return folders_; }
  // Sorted. Throws corral::Error (3) if no folder has any.
  std::vector<std::string> names() const;
  // Finds a name, or a path that ends in .textproto. Throws corral::Error (2) with the nearest name.
  Recipe read(const std::string& name) const;
  std::vector<Alias> aliases() const;

 private:
  std::vector<std::string> folders_;
};

}  // namespace corral::config
