#include "bin/terminal/sources.h"

#include <algorithm>

namespace corral::cli {
namespace {

config::Literal word(const std::string& text) { return {config::Literal::kString, text}; }

// A weighted list, `0.3 a.jsonl 0.7 b.jsonl`, may come as one quoted argument.
config::Literal path(const std::string& text) {
  const size_t blank = text.find(' ');
  const bool weighted = blank != std::string::npos && text.find_first_not_of("0123456789.") == blank;
  return {weighted ? config::Literal::kText : config::Literal::kString, text};
}

}  // namespace

bool is_family_and_size(const std::string& model) {
  const size_t slash = model.find('/');
  return slash != std::string::npos && slash == model.rfind('/') && slash > 0 && model[0] != '.' && !model.ends_with(".so");
}

config::Sources sources(const Arguments& arguments) {
  config::Sources s;
  s.recipe = arguments.text("recipe");
  s.config_files = arguments.list("config");
  for (const Flag& flag : shared_flags()) {
    const std::string key = flag.key, by = std::string("--") + flag.name;
    if (key.empty() || !arguments.has(flag.name)) continue;
    config::Assignment a{key, {}, false, by, ""};
    for (const std::string& value : arguments.list(flag.name))
      a.literals.push_back(flag.takes == Flag::kPaths ? path(value) : config::Literal{config::Literal::kText, value});
    const std::string text = a.literals.empty() ? "" : a.literals[0].text;
    if (by == "--model" && is_family_and_size(text)) {
      const size_t slash = text.find('/');
      a.literals = {word(text.substr(0, slash))};
      s.flags.push_back({"model.size", {word(text.substr(slash + 1))}, false, by, ""});
    }
    s.flags.push_back(std::move(a));
  }
  for (const std::string& assignment : arguments.list("set")) s.flags.push_back(config::parse_assignment(assignment, "--set"));
  return s;
}

void prefer_samples(config::Sources& sources, const std::string& by) {
  const bool named =
      std::any_of(sources.flags.begin(), sources.flags.end(), [](const config::Assignment& a) { return a.key == "data.plugin"; });
  if (sources.recipe.empty() && sources.config_files.empty() && !named)
    sources.flags.push_back({"data.plugin", {word("sft")}, false, by, ""});
}

}  // namespace corral::cli
