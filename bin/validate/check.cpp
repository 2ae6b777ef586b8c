#include "bin/validate/check.h"

#include <cstring>

#include "kernel/config/schema.h"

namespace corral::validate {

std::string Subject::options() const {
  const config::Section* section = config::section_of_kind(info.kind);
  if (!section || info.options.empty()) return "";
  config::Schema schema;
  schema.add(*section, {info.kind, info.name, info.options, info.presets});
  std::map<std::string, config::Value> values;
  for (const config::Field* field : schema.fields()) values[field->key] = field->initial;
  return schema.encode(*section, info.name, values);
}

const Kind* find_kind(const std::string& name) {
  for (const Kind* kind : kinds())
    if (name == kind->name) return kind;
  return nullptr;
}

std::vector<const Check*> checks_for(const std::string& kind) {
  std::vector<const Check*> all;
  const auto add = [&](std::span<const Check> group) {
    for (const Check& check : group) all.push_back(&check);
  };
  for (const auto& group : general_checks()) add(group);
  if (const Kind* known = find_kind(kind)) add(known->checks);
  return all;
}

}  // namespace corral::validate
