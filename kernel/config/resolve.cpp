// Resolves the values of a run: defaults, model size, recipe, its `when` blocks, packing, --config, flags. Later ones win.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "corral/error.h"
#include "kernel/config/run_config.h"

namespace corral::config {
namespace {

std::string last_part(const std::string& key) { return key.substr(key.rfind('.') + 1); }

// A suggestion for an unknown key: seq_length means train.seq_length; otherwise the nearest spelling.
std::string nearest_key(const std::string& key, const std::vector<std::string>& keys) {
  for (const std::string& candidate : keys)
    if (last_part(candidate) == last_part(key)) return candidate;
  return nearest(key, keys);
}

}  // namespace

class Resolver {
 public:
  Resolver(const Sources& sources, const RecipeFolders& recipes, PluginSchemas& plugins) : sources_(sources), plugins_(plugins) {
    config_.schema_ = std::make_shared<Schema>();
    aliases_ = recipes.aliases();
    Recipe base;
    if (!sources.resolved.empty()) {
      base = parse_recipe(read_text_file(sources.resolved), sources.resolved, "");
    } else if (!sources.recipe.empty()) {
      base = recipes.read(sources.recipe);
      config_.recipe_ = base.name;
    }
    levels_.push_back({"recipe", std::move(base.values)});
    whens_ = std::move(base.whens);
    Level files{"--config", {}}, flags{"flags", sources.flags};
    for (const std::string& file : sources.config_files) {
      Recipe values = parse_recipe(read_text_file(file), file, "--config " + file);
      if (!values.whens.empty()) fail("{}: `when` belongs in a recipe; a file for --config contains only values", file);
      files.set.insert(files.set.end(), values.values.begin(), values.values.end());
    }
    levels_.push_back(std::move(files));
    levels_.push_back(std::move(flags));
    for (Level& level : levels_) expand_aliases(level);
  }

  RunConfig resolve() {
    apply_whens();
    apply_packing();
    choose_plugins();
    for (const Field* field : config_.schema_->fields()) config_.put(field->key, field->initial, "default");
    apply_sizes();
    for (size_t i = 0; i < levels_.size(); ++i) apply(levels_[i].set, i);
    name_run();
    check();
    order_by_section();
    return std::move(config_);
  }

 private:
  // The settings of one level; a key that appears twice on it must have one value.
  struct Level {
    std::string name;
    std::vector<Assignment> set;
  };

  // The highest assignment of a key, or null. Sets `level` to its level.
  const Assignment* highest(const std::string& key, size_t* level = nullptr) const {
    for (size_t i = levels_.size(); i-- > 0;)
      for (const Assignment& a : levels_[i].set)
        if (a.key == key) {
          if (level) *level = i;
          return &a;
        }
    return nullptr;
  }

  // The text of a key that chooses a plugin or turns packing on, before the rest is known.
  std::string chosen(const std::string& key) const {
    const Field* field = config_.schema_->find(key);
    const Assignment* a = highest(key);
    if (!a) return field ? unquoted(field->initial) : "";
    return field ? unquoted(typed(*a, *field)) : a->literals.empty() ? "" : a->literals[0].text;
  }

  static std::string unquoted(const Value& value) {
    const auto* text = std::get_if<std::string>(&value);
    return text ? *text : to_text(value);
  }

  void expand_aliases(Level& level) {
    std::vector<Assignment> more;
    for (Assignment& a : level.set)
      for (const Alias& alias : aliases_)
        if (a.key == alias.key && a.literals.size() == 1 && a.literals[0].text == alias.name) {
          a.literals = {{Literal::kString, alias.value}};
          for (Assignment extra : alias.set) {
            extra.by = a.by + " " + alias.name;
            const bool stated = std::any_of(level.set.begin(), level.set.end(), [&](const Assignment& b) { return b.key == extra.key; });
            if (!stated) more.push_back(std::move(extra));
          }
          break;
        }
    level.set.insert(level.set.end(), more.begin(), more.end());
  }

  void apply_whens() {
    for (When& when : whens_) {
      const Field* field = config_.schema_->find(when.key);
      if (!field) unknown_key({when.key, {}, false, when.by, ""}, config_.schema_->keys());
      const std::string now = chosen(when.key);
      const bool holds = std::any_of(when.values.begin(), when.values.end(), [&](const Literal& v) {
        return now == unquoted(typed({when.key, {v}, false, when.by, ""}, *field));
      });
      if (holds) insert_above_recipe({"when", when.set});
    }
  }

  // Under --config and the flags.
  void insert_above_recipe(Level level) {
    expand_aliases(level);
    levels_.insert(levels_.end() - 2, std::move(level));
  }

  void choose_plugins() {
    for (const Section& section : sections()) {
      config_.installed_[section.kind] = plugins_.names(section.kind);
      size_t level = 0;
      const Assignment* a = highest(section.selector, &level);
      std::vector<std::string> names;
      if (section.named) {
        if (a)
          for (const Assignment& b : levels_[level].set)
            if (b.key == section.selector) {
              const Value listed = typed(b, *config_.schema_->find(section.selector));
              for (const std::string& name : std::get<std::vector<std::string>>(listed)) names.push_back(name);
            }
      } else {
        names.push_back(chosen(section.selector));
      }
      for (const std::string& name : names) {
        if (name.empty() || name == "none") continue;
        if (const PluginSchema* plugin = plugins_.find(section.kind, name)) {
          config_.schema_->add(section, *plugin);
          if (!section.named) sizes_from_[section.prefix] = plugin;
          continue;
        }
        if (a && level + 2 >= levels_.size()) require_known(section, name, *a);
        missing_.push_back(section.named ? std::string(section.prefix) + "." + name + "." : std::string(section.prefix) + ".");
      }
      selector_level_[section.prefix] = a ? level : 0;
    }
  }

  // A plugin that is not installed may be named only if a recipe or an alias names it, or as a path.
  void require_known(const Section& section, const std::string& name, const Assignment& a) const {
    if (name.find('/') != std::string::npos) return;
    std::vector<std::string> known = config_.installed_.at(section.kind);
    for (const When& when : whens_)
      if (when.key == section.selector)
        for (const Literal& value : when.values) known.push_back(value.text);
    for (const Alias& alias : aliases_)
      if (alias.key == section.selector) known.push_back(alias.value);
    for (const Assignment& r : levels_[0].set)
      if (r.key == section.selector)
        for (const Literal& value : r.literals) known.push_back(value.text);
    if (std::find(known.begin(), known.end(), name) != known.end()) return;
    if (config_.schema_->find(section.selector)->initial == Value("none")) known.push_back("none");
    std::sort(known.begin(), known.end());
    known.erase(std::unique(known.begin(), known.end()), known.end());
    fail("{} = \"{}\": no such {} plugin is installed{}{}", section.selector, name, section.kind, did_you_mean(name, known), set_by(a));
  }

  // With packing, the packed length and batch replace the plain ones of the recipe.
  void apply_packing() {
    if (chosen("data.packed") != "true") return;
    Level level{"packing", {}};
    for (const auto& [from, to] :
         {std::pair("data.packed_seq_length", "train.seq_length"), std::pair("data.packed_global_batch_size", "train.global_batch_size")}) {
      size_t at = 0;
      const Assignment* a = highest(from, &at);
      if (!a || chosen(from) == "0") continue;
      // A resolved configuration already has the plain keys with the values of the run.
      if (at == 0 && !sources_.resolved.empty()) continue;
      Assignment packed = *a;
      packed.key = to;
      packed.by = a->by + ", " + from;
      level.set.push_back(std::move(packed));
    }
    insert_above_recipe(std::move(level));
  }

  // model.size = 8b: the values that the plugin has for this size, above its defaults.
  void apply_sizes() {
    for (const auto& [prefix, plugin] : sizes_from_) {
      const std::string key = prefix + ".size";
      if (!config_.schema_->find(key)) continue;
      size_t level = 0;
      const Assignment* a = highest(key, &level);
      const std::string size = chosen(key);
      if (!a || size.empty()) continue;
      std::vector<std::string> names;
      const Preset* found = nullptr;
      const Presets of_plugin = parse_presets(plugin->presets, plugin->kind + "/" + plugin->name + "/presets.textproto", prefix + ".");
      for (const Preset& preset : of_plugin.presets) {
        names.push_back(preset.name);
        if (preset.name == size) found = &preset;
      }
      if (found) {
        apply(still_holding(found->set, of_plugin.depends), levels_.size());
      } else if (level < selector_level_.at(prefix)) {
        drop(*a, prefix);
      } else {
        fail("{} = \"{}\": no such size of {}{}{}", key, size, plugin->name, did_you_mean(size, names), set_by(*a));
      }
    }
  }

  // Leaves out values that depend on a key that is set: a size's head_dim does not fit a model with another hidden_size.
  std::vector<Assignment> still_holding(const std::vector<Assignment>& set, const std::vector<Dependence>& depends) const {
    std::vector<Assignment> kept;
    for (const Assignment& a : set) {
      const bool moot = std::any_of(depends.begin(), depends.end(), [&](const Dependence& d) {
        return d.key == a.key && std::any_of(d.on.begin(), d.on.end(), [&](const std::string& key) { return highest(key); });
      });
      if (!moot) kept.push_back(a);
    }
    return kept;
  }

  void apply(const std::vector<Assignment>& set, size_t level) {
    std::map<std::string, std::pair<Value, const Assignment*>> seen;
    for (const Assignment& a : set) {
      if (dropped_.count(a.where + a.key)) continue;
      const Field* field = config_.schema_->find(a.key);
      Value value;
      if (field) {
        value = typed(a, *field);
      } else if (is_missing(a.key)) {
        value = convert_freely(a.literals, a.is_list);
      } else {
        const Section* section = section_of(a.key);
        if (section && level < selector_level_.at(section->prefix)) {
          drop(a, section->prefix);
          continue;
        }
        unknown_key(a, config_.schema_->keys());
      }
      const auto [at, is_new] = seen.try_emplace(a.key, value, &a);
      if (!is_new) merge(a, field, value, at->second);
      config_.put(a.key, value, a.by);
    }
  }

  // A list may be written in several lines of a file.
  void merge(const Assignment& a, const Field* field, Value& value, std::pair<Value, const Assignment*>& before) const {
    const auto file = [](const Assignment& b) { return b.where.substr(0, b.where.rfind(':')); };
    if (field && field->type == Field::kList && !a.where.empty() && !a.is_list && file(*before.second) == file(a)) {
      auto& items = std::get<std::vector<std::string>>(value);
      const auto& first = std::get<std::vector<std::string>>(before.first);
      items.insert(items.begin(), first.begin(), first.end());
      before.first = value;
      return;
    }
    if (value == before.first) return;
    const auto who = [](const Assignment& b) { return b.where.empty() ? b.by : b.by + " (" + b.where + ")"; };
    fail("{} = {} by {}, but = {} by {}: one level may set a key to one value only", a.key, to_text(before.first), who(*before.second),
         to_text(value), who(a));
  }

  bool is_missing(const std::string& key) const {
    return std::any_of(missing_.begin(), missing_.end(), [&](const std::string& prefix) { return key.rfind(prefix, 0) == 0; });
  }

  // If the user chose another plugin than the recipe, the recipe's options of its own plugin are left out.
  void drop(const Assignment& a, const std::string& prefix) {
    const Section& section = *section_of(prefix);
    dropped_.insert(a.where + a.key);
    config_.notices_.push_back(format("{} = {} of the {} is left out: {} = \"{}\" has no such option", a.key, to_display(a.literals), a.by,
                                      section.selector, chosen(section.selector)));
  }

  Value typed(const Assignment& a, const Field& field) const {
    if (const auto value = convert(field, a.literals)) return *value;
    std::string near;
    if (!field.choices.empty() && a.literals.size() == 1) near = nearest(a.literals[0].text, field.choices);
    fail("{} = {}: expected {}{}{}", a.key, to_display(a.literals), expected(field),
         near.empty() ? "" : "\n       did you mean \"" + near + "\"?", set_by(a));
  }

  [[noreturn]] void unknown_key(const Assignment& a, const std::vector<std::string>& keys) const {
    const std::string near = nearest_key(a.key, keys);
    std::string why;
    if (const Section* section = section_of(a.key); section && near.empty()) {
      const std::string plugin = chosen(section->selector);
      if (plugin.empty() || plugin == "none")
        why = format("\n       options of {}.* are those of the plugin that {} names, which is {}", section->prefix, section->selector,
                     plugin.empty() ? "not set" : plugin);
    }
    if (near.empty() && why.empty()) why = "\n       `corral recipes show NAME` lists the keys";
    fail("{}: no such key{}{}{}", a.key, near.empty() ? "" : "\n       did you mean \"" + near + "\"?", why, set_by(a));
  }

  std::string set_by(const Assignment& a) const {
    std::string text = "\n       set by " + a.by;
    if (!config_.recipe_.empty()) text += (a.by.rfind("recipe", 0) == 0 ? " " : ", after recipe ") + config_.recipe_;
    if (!a.where.empty()) text += " (" + a.where + ")";
    return text;
  }

  void name_run() {
    if (!config_.recipe_.empty()) config_.put("run.recipe", config_.recipe_, "recipe");
    config_.recipe_ = config_.text("run.recipe");
    if (config_.text("run.name").empty()) {
      std::string name = config_.recipe_.empty() ? "run" : config_.recipe_;
      if (const std::string tail = "_config"; name.size() > tail.size() && name.ends_with(tail)) name.resize(name.size() - tail.size());
      config_.put("run.name", name, config_.recipe_.empty() ? "default" : "recipe");
    }
    if (config_.text("run.dir").empty()) {
      const char* parent = std::getenv("SAVE_DIR");
      const bool given = parent && *parent;
      config_.put("run.dir", (std::filesystem::path(given ? parent : "runs") / config_.text("run.name")).string(),
                  given ? "SAVE_DIR" : "default");
    }
  }

  void check() {
    const int64_t batch = config_.integer("train.global_batch_size"), micro = config_.integer("train.micro_batch_size");
    if (batch % micro != 0)
      fail("train.global_batch_size = {} is not a multiple of train.micro_batch_size = {}; the nearest is {}{}", batch, micro,
           (batch / micro + 1) * micro, config_.set_by("train.global_batch_size"));
    check_interleaving(batch / micro);
  }

  // The interleaved schedule runs at least as many micro-batches as there are pipeline ranks; some recipes have fewer on the GPUs that they
  // name.
  void check_interleaving(int64_t micro_batches) {
    const int64_t pipeline = config_.integer("parallel.pipeline"), gpus = config_.integer("run.gpus");
    const double replica = static_cast<double>(config_.integer("parallel.tensor")) *
                           static_cast<double>(config_.integer("parallel.context")) * static_cast<double>(pipeline);
    if (config_.integer("parallel.virtual_pipeline") < 2 || static_cast<double>(gpus) < replica) return;
    const int64_t data = gpus / static_cast<int64_t>(replica);
    if (micro_batches / data >= pipeline) return;
    config_.notices_.push_back(
        format("on {} GPUs each of {} replicas gets {} micro-batches, but parallel.virtual_pipeline > 1 needs at least parallel.pipeline = "
               "{}: it runs on "
               "up to {} GPUs, or with train.global_batch_size={}",
               gpus, data, micro_batches / data, pipeline, std::max<int64_t>(micro_batches / pipeline, 1) * static_cast<int64_t>(replica),
               data * pipeline * config_.integer("train.micro_batch_size")));
  }

  void order_by_section() {
    const std::vector<std::string> keys = config_.schema_->keys();
    std::map<std::string, size_t> rank;
    for (const std::string& key : keys) rank.try_emplace(key.substr(0, key.find('.')), rank.size());
    std::stable_sort(config_.order_.begin(), config_.order_.end(), [&](const std::string& a, const std::string& b) {
      return rank[a.substr(0, a.find('.'))] < rank[b.substr(0, b.find('.'))];
    });
  }

  const Sources& sources_;
  PluginSchemas& plugins_;
  RunConfig config_;
  std::vector<Alias> aliases_;
  std::vector<When> whens_;
  std::vector<Level> levels_;                              // recipe, whens, packing, --config, flags
  std::map<std::string, const PluginSchema*> sizes_from_;  // by section
  std::map<std::string, size_t> selector_level_;           // the level that chose a section's plugin
  std::vector<std::string> missing_;                       // prefixes of keys whose plugin is not installed
  std::set<std::string> dropped_;                          // prefix and key
};

RunConfig resolve(const Sources& sources, const RecipeFolders& recipes, PluginSchemas& plugins) {
  return Resolver(sources, recipes, plugins).resolve();
}

Assignment parse_assignment(const std::string& text, const std::string& by) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) fail("{}: expected KEY=VALUE\n       set by {}", text, by);
  return {text.substr(0, equals), {{Literal::kText, text.substr(equals + 1)}}, false, by, ""};
}

}  // namespace corral::config
