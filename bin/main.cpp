// corral COMMAND [words] [--flags]
#include <glog/logging.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <system_error>

#include "bin/terminal/command.h"
#include "bin/terminal/launcher.h"
#include "bin/terminal/program_host.h"
#include "bin/terminal/voice.h"
#include "corral/error.h"
#include "kernel/plugin/host.h"

#ifndef CORRAL_VERSION
#error "the build passes CORRAL_VERSION"
#endif

namespace corral::cli {
namespace {

// Finds the command that the first words name, `recipes show` before `recipes`, and removes these words.
const Command& find(std::vector<std::string>& words) {
  for (size_t count = std::min<size_t>(words.size(), 2); count > 0; --count) {
    const std::string name = count == 2 ? words[0] + " " + words[1] : words[0];
    for (const Command* command : commands())
      if (name == command->name) {
        words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(count));
        return *command;
      }
  }
  std::vector<std::string> names;
  for (const Command* command : commands()) names.push_back(command->name);
  const bool group = std::any_of(names.begin(), names.end(), [&](const std::string& name) { return name.starts_with(words[0] + " "); });
  const std::string typed = group && words.size() > 1 ? words[0] + " " + words[1] : words[0];
  const std::string near = nearest(typed, names);
  if (near.empty() && group) {
    std::string all;
    for (const std::string& name : names)
      if (name.starts_with(words[0] + " ")) all += (all.empty() ? "" : ", ") + name.substr(words[0].size() + 1);
    fail("{}: no such command\n       after `corral {}` comes one of {}", typed, words[0], all);
  }
  fail("{}: no such command\n       {}", typed, near.empty() ? "`corral --help` lists them" : "did you mean `corral " + near + "`?");
}

// If a launcher started several processes, the first one reports everything that is the same on all.
int run(std::vector<std::string> words, const Launch& launch) {
  if (words.empty() || words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    if (launch.first()) print_help();
    return words.empty() ? 2 : 0;
  }
  if (words[0] == "--version") {
    if (launch.first()) std::printf("corral %s\n", CORRAL_VERSION);
    return 0;
  }
  if (words[0].starts_with("-")) fail("{}: a command comes first\n       `corral --help` lists them", words[0]);
  const Command& command = find(words);
  if (command.ranks == Ranks::kFirst && !launch.first()) return 0;
  const Arguments arguments = parse(command, words);
  if (arguments.has("help")) {
    if (launch.first()) print_help(command);
    return 0;
  }
  FLAGS_minloglevel = arguments.has("verbose") ? google::INFO : google::WARNING;
  if (command.ranks == Ranks::kAll && launch.ranks > 1) require_collective(launch, host_of(arguments), arguments.text("collective"));
  return command.run(arguments);
}

int ended(int exit_code, const std::string& text) {
  std::fflush(stdout);
  say("error: " + text);
  return exit_code;
}

// An exception of a command becomes one message and the exit code of its kind.
int guarded(std::vector<std::string> words) {
  const Launch launch = launch_of_environment();
  set_silent(!launch.first());
  try {
    return run(std::move(words), launch);
  } catch (const Error& e) {
    return ended(e.exit_code(), e.what());
  } catch (const std::bad_alloc&) {
    return ended(3, "out of memory");
  } catch (const std::system_error& e) {
    return ended(3, e.what());
  } catch (const std::exception& e) {
    return ended(4, std::string("a bug in Corral: ") + e.what());
  } catch (...) {
    return ended(4, "a bug in Corral: an exception of unknown type");
  }
}

}  // namespace
}  // namespace corral::cli

int main(int argc, char** argv) {
  // A waiting device thread spins for some microseconds, then sleeps. If others use the processors too, a thread that keeps spinning keeps
  // away the very thread that it waits for. The variable is read when a plugin loads its OpenMP.
  if (!std::getenv("OMP_WAIT_POLICY")) setenv("GOMP_SPINCOUNT", "1000", 0);
  // Writing a file beyond the user's limit becomes an error of the write, reported like a full disk; the signal would end the program.
  std::signal(SIGXFSZ, SIG_IGN);
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  corral::install_crash_line();
  int code = corral::cli::guarded({argv + 1, argv + argc});
  // Exit with an error if the result did not reach its file.
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    code = corral::cli::ended(3, std::string("standard output: ") + std::strerror(errno));
  return code;
}
