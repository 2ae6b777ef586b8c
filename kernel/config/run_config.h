// The configuration of a run: the value of every key and its origin.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernel/config/recipe.h"
#include "kernel/config/schema.h"

namespace corral::config {

struct Setting {
  Value value;
  std::string from;  // "default", "recipe", "recipe, when KEY = VALUE", "model.size 8b", "--config FILE", "--set", "--tp" ...
};

class RunConfig {
 public:
  // The value of a key that config.proto or a plugin describes. Throws corral::Error (4) for a key of another type or an unknown one.
  bool boolean(const std::string& key) const { return get<bool>(key); }
  int64_t integer(const std::string& key) const { return get<int64_t>(key); }
  double number(const std::string& key) const { return get<double>(key); }
  const std::string& text(const std::string& key) const { return get<std::string>(key); }
  const std::vector<std::string>& list(const std::string& key) const { return get<std::vector<std::string>>(key); }

  const Setting* find(const std::string& key) const;
  bool is_set(const std::string& key) const;  // by anyone but a default or a model's size
  // The last line of an error about this key: "\n       set by --set, after recipe NAME".
  std::string set_by(const std::string& key) const;

  // Sets a value that follows from something else, such as model.vocab_size from the tokenizer. Replaces the previous value.
  void set(const std::string& key, Value value, const std::string& from);

  // Sets every key that no flag set from a plugin's encoded options, such as those that a checkpoint states for its model.
  void absorb(const std::string& kind, const std::string& options, const std::string& from);

  // The plugin that is chosen for a kind; "" for none. If `required`, a missing or uninstalled plugin is refused, naming the key.
  std::string plugin(const std::string& kind, bool required = false) const;
  // The plugins of a kind of which a run may have several. One that is not installed is refused.
  std::vector<std::string> plugins(const std::string& kind) const;
  // The options of the chosen plugin, encoded as its message Options. `name` is needed only for a kind with several plugins (tracker).
  std::string options(const std::string& kind, const std::string& name = "") const;

  const std::string& recipe() const { return recipe_; }                 // "" for none
  const std::vector<std::string>& notices() const { return notices_; }  // lines for the user
  std::vector<std::pair<std::string, Setting>> settings() const;        // in the schema's order
  const Schema& schema() const { return *schema_; }

  // The text of config.textproto: every value, followed by its origin.
  std::string to_textproto() const;

 private:
  friend class Resolver;
  template <class T>
  const T& get(const std::string& key) const;
  void put(const std::string& key, Value value, const std::string& from);
  void require_installed(const Section& section, const std::string& name) const;

  std::string recipe_;
  std::map<std::string, Setting> settings_;
  std::vector<std::string> order_;
  std::map<std::string, std::vector<std::string>> installed_;  // of each kind
  std::shared_ptr<Schema> schema_;
  std::vector<std::string> notices_;
};

// The sources of values, lowest first: defaults, the recipe, --config files, flags.
struct Sources {
  std::string recipe;                     // a name, a path, or "" for none
  std::string resolved;                   // the config.textproto of a run, instead of a recipe
  std::vector<std::string> config_files;  // merged over it
  std::vector<Assignment> flags;          // shorthands and --set
};

// Throws corral::Error (2) for an unknown recipe, key, plugin or size, a value of a wrong type, and a key that one level sets twice.
RunConfig resolve(const Sources& sources, const RecipeFolders& recipes, PluginSchemas& plugins);

// Splits KEY=VALUE of --set. Throws corral::Error (2) if there is no =.
Assignment parse_assignment(const std::string& text, const std::string& by);

}  // namespace corral::config
