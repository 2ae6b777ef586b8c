#include <algorithm>
#include <cstdio>

#include "bin/terminal/command.h"

namespace corral::cli {
namespace {

void print_flags(std::span<const Flag> flags) {
  std::vector<std::pair<std::string, std::string>> lines;
  size_t width = 0;
  for (const Flag& flag : flags) {
    std::string left = std::string("--") + flag.name;
    if (flag.takes != Flag::kNothing) left += std::string(" ") + flag.value;
    if (flag.takes == Flag::kValues || flag.takes == Flag::kPaths) left += " ...";
    width = std::max(width, left.size());
    lines.emplace_back(left, flag.help + (*flag.key ? std::string("  [") + flag.key + "]" : ""));
  }
  for (const auto& [left, right] : lines) std::printf("  %-*s  %s\n", static_cast<int>(width), left.c_str(), right.c_str());
}

}  // namespace

void print_help() {
  std::printf("corral trains, fine-tunes, converts and runs Llama 3 models.\n\nusage: corral COMMAND [words] [--flags]\n\n");
  size_t width = 0;
  for (const Command* command : commands()) width = std::max(width, std::string_view(command->name).size());
  for (const Command* command : commands()) std::printf("  %-*s  %s\n", static_cast<int>(width), command->name, command->summary);
  std::printf(
      "\n`corral COMMAND --help` lists a command's flags, `corral recipes show NAME` every key that --set takes.\n"
      "Results go to standard output, all else to standard error. Exit codes: 0 done, 1 a check failed, 2 input, 3 environment, 4 a "
      "bug.\n");
}

void print_help(const Command& command) {
  std::printf("%s\n\nusage: corral %s%s%s [--flags]\n", command.summary, command.name, *command.words ? " " : "", command.words);
  if (!command.flags.empty()) {
    std::printf("\n");
    print_flags(command.flags);
  }
  if (const std::vector<Flag> shared = shared_flags_of(command); !shared.empty()) {
    std::printf("\nof the run's configuration, in brackets the key; a flag overrides --config, which overrides the recipe\n");
    print_flags(shared);
  }
  std::printf("\nof every command\n");
  print_flags(common_flags());
}

}  // namespace corral::cli
