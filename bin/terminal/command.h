// A sub-command of `corral` is one file in bin/commands, named as it is called: recipes_show.cpp is `corral recipes show` and defines
// `extern const Command command_recipes_show`. The build makes the table from the folder.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace corral::cli {

struct Flag {
  enum Takes { kNothing, kValue, kValues, kPaths };  // kPaths: each word is one value, commas and blanks included
  const char* name;                                  // without dashes
  Takes takes;
  const char* value;     // name of the value in --help: "FILE"
  const char* help;      // one line
  const char* key = "";  // configuration key that the flag is a shorthand of
};

// The flags and words after the command's name.
class Arguments {
 public:
  bool has(std::string_view flag) const { return values_.find(flag) != values_.end(); }
  // The flag's value, or `otherwise`. Throws corral::Error (2) naming the flag if a number is expected and the value is not one.
  std::string text(std::string_view flag, const std::string& otherwise = "") const;
  int64_t integer(std::string_view flag, int64_t otherwise) const;
  double number(std::string_view flag, double otherwise) const;
  std::vector<std::string> list(std::string_view flag) const;

  std::vector<std::string> words;  // the positional arguments

 private:
  friend struct Parser;
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

// In `shared`: all flags that are shorthands of configuration keys.
inline constexpr char kEveryKey[] = "KEYS";

// Ranks that do a command's work if a launcher started several processes.
enum class Ranks {
  kFirst,  // the first rank; the others end silently
  kAll,    // all ranks together
};

struct Command {
  const char* name;     // "recipes show"
  const char* summary;  // one line
  const char* words;    // positional arguments: "NAME", "[NAME]" if optional, "NAME..." for any number, "" for none
  std::span<const Flag> flags;
  std::span<const char* const> shared;     // names of the shared flags that count here; kEveryKey: all of configuration keys
  int (*run)(const Arguments& arguments);  // the exit code; throws corral::Error
  Ranks ranks = Ranks::kFirst;
};

// All sub-commands, sorted by name.
std::span<const Command* const> commands();

// Flags of every command (--help, --verbose, --plugin-path), and flags that several commands share: --dump-graph and configuration keys.
std::span<const Flag> common_flags();
std::span<const Flag> shared_flags();
// The shared flags that the command takes and does not define itself.
std::vector<Flag> shared_flags_of(const Command& command);
// All flags of the command, its own first.
std::vector<Flag> flags_of(const Command& command);

// Throws corral::Error (2) for words that the command does not take, and for an unknown flag (naming the nearest) or one that the command
// has no use for.
Arguments parse(const Command& command, const std::vector<std::string>& words);

// Prints the help on standard output.
void print_help();
void print_help(const Command& command);

}  // namespace corral::cli
