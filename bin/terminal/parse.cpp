#include <algorithm>
#include <boost/program_options/cmdline.hpp>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <charconv>

#include "bin/terminal/command.h"
#include "corral/error.h"

namespace corral::cli {
namespace po = boost::program_options;

namespace {

// --max_new_tokens is --max-new-tokens.
std::string with_dashes(std::string word) {
  if (word.rfind("--", 0) == 0)
    std::replace(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(std::min(word.find('='), word.size())), '_', '-');
  return word;
}

std::string flag_in(const std::string& word) {
  const size_t begin = word.find_first_not_of('-');
  return begin == std::string::npos ? word : word.substr(begin, word.find('=') - begin);
}

bool has(std::span<const Flag> flags, std::string_view name) {
  return std::any_of(flags.begin(), flags.end(), [&](const Flag& f) { return f.name == name; });
}

bool some_command_has(std::string_view name) {
  return has(shared_flags(), name) ||
         std::any_of(commands().begin(), commands().end(), [&](const Command* c) { return has(c->flags, name); });
}

template <class T>
T number_of(std::string_view flag, const std::string& text, const char* what) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) fail("--{} = \"{}\": expected {}", flag, text, what);
  return value;
}

}  // namespace

struct Parser {
  static void add(Arguments& arguments, const Flag& flag, const std::vector<std::string>& values) {
    const bool again = arguments.has(flag.name);
    std::vector<std::string>& all = arguments.values_[flag.name];
    const bool single = flag.takes == Flag::kValue;
    if (again && single && all != values) fail("--{}: given twice, {} and {}", flag.name, all.front(), values.front());
    if (again && single) return;
    all.insert(all.end(), values.begin(), values.end());
  }
};

std::string Arguments::text(std::string_view flag, const std::string& otherwise) const {
  const auto found = values_.find(flag);
  return found == values_.end() || found->second.empty() ? otherwise : found->second.front();
}

int64_t Arguments::integer(std::string_view flag, int64_t otherwise) const {
  return has(flag) ? number_of<int64_t>(flag, text(flag), "an integer") : otherwise;
}

double Arguments::number(std::string_view flag, double otherwise) const {
  return has(flag) ? number_of<double>(flag, text(flag), "a number") : otherwise;
}

std::vector<std::string> Arguments::list(std::string_view flag) const {
  const auto found = values_.find(flag);
  return found == values_.end() ? std::vector<std::string>{} : found->second;
}

std::vector<Flag> shared_flags_of(const Command& command) {
  std::vector<Flag> taken;
  for (const Flag& flag : shared_flags()) {
    const bool counts = std::any_of(command.shared.begin(), command.shared.end(),
                                    [&](std::string_view name) { return name == flag.name || (name == kEveryKey && *flag.key); });
    if (counts && !has(command.flags, flag.name)) taken.push_back(flag);
  }
  return taken;
}

std::vector<Flag> flags_of(const Command& command) {
  std::vector<Flag> all(command.flags.begin(), command.flags.end()), shared = shared_flags_of(command);
  all.insert(all.end(), shared.begin(), shared.end());
  all.insert(all.end(), common_flags().begin(), common_flags().end());
  return all;
}

Arguments parse(const Command& command, const std::vector<std::string>& words) {
  const std::vector<Flag> flags = flags_of(command);
  po::options_description description;
  for (const Flag& flag : flags) {
    std::string names = flag.name;
    if (names == "help") names = "help,h";
    if (names == "verbose") names = "verbose,v";
    if (flag.takes == Flag::kNothing) {
      description.add_options()(names.c_str(), flag.help);
      continue;
    }
    auto* value = po::value<std::vector<std::string>>();
    if (flag.takes != Flag::kValue) value->multitoken();
    description.add_options()(names.c_str(), value, flag.help);
  }
  std::vector<std::string> normal;
  for (const std::string& word : words) normal.push_back(with_dashes(word));

  Arguments arguments;
  try {
    const auto style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    const auto parsed = po::command_line_parser(normal).options(description).style(style).run();
    for (const auto& option : parsed.options) {
      if (option.position_key >= 0) {
        arguments.words.insert(arguments.words.end(), option.value.begin(), option.value.end());
        continue;
      }
      for (const Flag& flag : flags)
        if (option.string_key == flag.name) Parser::add(arguments, flag, option.value);
    }
  } catch (const po::unknown_option& e) {
    std::vector<std::string> names;
    for (const Flag& flag : flags) names.push_back(flag.name);
    const std::string name = flag_in(e.get_option_name()), near = nearest(name, names);
    fail("--{}: {}`corral {}`\n       {}", name, some_command_has(name) ? "of no use to " : "no such flag of ", command.name,
         near.empty() ? std::string("`corral ") + command.name + " --help` lists them" : "did you mean \"--" + near + "\"?");
  } catch (const po::error_with_option_name& e) {
    const std::string name = flag_in(e.get_option_name());
    for (const Flag& flag : flags)
      if (name == flag.name)
        fail("--{}: {}", name, flag.takes == Flag::kNothing ? "takes no value" : std::string("needs a value, ") + flag.value);
    fail("{}", e.what());
  } catch (const po::error& e) {
    fail("{}", e.what());
  }

  if (arguments.has("help")) return arguments;
  const std::string_view expected = command.words;
  const bool any = expected.ends_with("..."), required = !expected.empty() && expected.front() != '[';
  const size_t most = expected.empty() ? 0
                      : any            ? arguments.words.size()
                                       : 1 + static_cast<size_t>(std::count(expected.begin(), expected.end(), ' '));
  const size_t least = !required ? 0 : any ? 1 : most;
  if (arguments.words.size() < least) fail("`corral {}` needs {}\n       corral {} --help", command.name, command.words, command.name);
  if (arguments.words.size() > most) {
    std::vector<std::string> names;
    for (const Command* other : commands())
      if (std::string_view(other->name).starts_with(std::string(command.name) + " "))
        names.push_back(other->name + std::string_view(command.name).size() + 1);
    const std::string& word = arguments.words[most];
    const std::string near = nearest(word, names);
    fail("\"{}\": `corral {}` takes {}{}{}", word, command.name, most == 0 ? "no such word" : command.words,
         near.empty() ? "" : "\n       did you mean `corral " + std::string(command.name) + " " + near + "`?",
         arguments.has("set")       ? "\n       each value of --set is KEY=VALUE"
         : has(flags, "checkpoint") ? "\n       a model is named by --checkpoint PATH"
                                    : "");
  }
  return arguments;
}

}  // namespace corral::cli
