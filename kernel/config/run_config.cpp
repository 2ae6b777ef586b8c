#include "kernel/config/run_config.h"

#include <algorithm>

#include "corral/error.h"

namespace corral::config {

const Setting* RunConfig::find(const std::string& key) const {
  const auto found = settings_.find(key);
  return found == settings_.end() ? nullptr : &found->second;
}

template <class T>
const T& RunConfig::get(const std::string& key) const {
  const Setting* setting = find(key);
  if (!setting) fail_bug("{}: the configuration has no such key", key);
  const T* value = std::get_if<T>(&setting->value);
  if (!value) fail_bug("{} = {}: read as another type", key, to_text(setting->value));
  return *value;
}
template const bool& RunConfig::get<bool>(const std::string&) const;
template const int64_t& RunConfig::get<int64_t>(const std::string&) const;
template const double& RunConfig::get<double>(const std::string&) const;
template const std::string& RunConfig::get<std::string>(const std::string&) const;
template const std::vector<std::string>& RunConfig::get<std::vector<std::string>>(const std::string&) const;

bool RunConfig::is_set(const std::string& key) const {
  const Setting* setting = find(key);
  return setting && setting->from != "default" && setting->from.find(".size ") == std::string::npos;
}

std::string RunConfig::set_by(const std::string& key) const {
  const Setting* setting = find(key);
  if (!setting) return "";
  std::string text = "\n       set by " + setting->from;
  if (!recipe_.empty()) text += (setting->from.rfind("recipe", 0) == 0 ? " " : ", after recipe ") + recipe_;
  return text;
}

void RunConfig::set(const std::string& key, Value value, const std::string& from) {
  const Setting* old = find(key);
  if (!old || old->value.index() != value.index()) fail_bug("{} = {} by {}: no such key, or of another type", key, to_text(value), from);
  put(key, std::move(value), from);
}

void RunConfig::absorb(const std::string& kind, const std::string& options, const std::string& from) {
  const Section* section = section_of_kind(kind);
  if (!section || section->named) fail_bug("{}: no kind of which one plugin is chosen", kind);
  for (auto& [key, value] : schema_->decode(*section, plugin(kind, true), options)) {
    const Setting* old = find(key);
    if (old && !old->from.starts_with("--")) set(key, std::move(value), from);
  }
}

void RunConfig::put(const std::string& key, Value value, const std::string& from) {
  if (!settings_.count(key)) order_.push_back(key);
  settings_[key] = {std::move(value), from};
}

void RunConfig::require_installed(const Section& section, const std::string& name) const {
  const std::vector<std::string>& there = installed_.at(section.kind);
  if (name.find('/') != std::string::npos || std::find(there.begin(), there.end(), name) != there.end()) return;
  std::string all;
  for (const std::string& one : there) all += (all.empty() ? "" : ", ") + one;
  fail("{} = {}: the plugin {}/{} is not installed; there {}{}", section.selector, to_text(find(section.selector)->value), section.kind,
       name, there.empty() ? "is none of this kind" : "is: " + all, set_by(section.selector));
}

std::string RunConfig::plugin(const std::string& kind, bool required) const {
  const Section* section = section_of_kind(kind);
  if (!section || section->named) fail_bug("{}: no kind of which one plugin is chosen", kind);
  const std::string& name = text(section->selector);
  const bool none = name.empty() || name == "none";
  if (required && none) fail("{}: no {} plugin is chosen{}", section->selector, kind, did_you_mean("", installed_.at(kind)));
  if (required) require_installed(*section, name);
  return none ? "" : name;
}

std::vector<std::string> RunConfig::plugins(const std::string& kind) const {
  const Section* section = section_of_kind(kind);
  if (!section || !section->named) fail_bug("{}: not a kind with several chosen plugins", kind);
  const std::vector<std::string>& names = list(section->selector);
  for (const std::string& name : names) require_installed(*section, name);
  return names;
}

std::string RunConfig::options(const std::string& kind, const std::string& name) const {
  const Section* section = section_of_kind(kind);
  if (!section) fail_bug("{}: not a kind with options", kind);
  const std::string chosen = section->named ? name : plugin(kind, true);
  std::map<std::string, Value> values;
  for (const auto& [key, setting] : settings_) values.emplace(key, setting.value);
  return schema_->encode(*section, chosen, values);
}

std::vector<std::pair<std::string, Setting>> RunConfig::settings() const {
  std::vector<std::pair<std::string, Setting>> all;
  for (const std::string& key : order_) all.emplace_back(key, settings_.at(key));
  return all;
}

std::string RunConfig::to_textproto() const {
  std::string out = "# The whole configuration of a run; after each value, who set it.\n";
  std::vector<std::string> open;
  const auto close_to = [&](size_t depth) {
    while (open.size() > depth) {
      open.pop_back();
      out += std::string(2 * open.size(), ' ') + "}\n";
    }
  };
  for (const std::string& key : order_) {
    std::vector<std::string> path;
    for (size_t begin = 0, dot; begin <= key.size(); begin = dot + 1) {
      dot = std::min(key.find('.', begin), key.size());
      path.push_back(key.substr(begin, dot - begin));
    }
    size_t same = 0;
    while (same + 1 < path.size() && same < open.size() && open[same] == path[same]) ++same;
    close_to(same);
    for (; open.size() + 1 < path.size();) {
      out += std::string(2 * open.size(), ' ') + path[open.size()] + " {\n";
      open.push_back(path[open.size()]);
    }
    const Setting& setting = settings_.at(key);
    out += std::string(2 * open.size(), ' ') + path.back() + ": " + to_text(setting.value) + "  # " + setting.from + "\n";
  }
  close_to(0);
  return out;
}

}  // namespace corral::config
