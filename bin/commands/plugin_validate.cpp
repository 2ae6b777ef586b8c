// `corral plugin validate PATH.so`: checks a plugin against the contract of its kind, each check in a process of its own.
#include <algorithm>
#include <cstdio>
#include <random>
#include <regex>

#include "bin/terminal/command.h"
#include "bin/terminal/json.h"
#include "bin/validate/runner.h"
#include "corral/error.h"

namespace corral::cli {
namespace {
using validate::Check;
using validate::Outcome;
using validate::Result;

constexpr const char* kNames[] = {"pass", "fail", "warn", "skip"};

constexpr Flag kFlags[] = {
    {"json", Flag::kNothing, "", "one object with an array of checks"},
    {"include", Flag::kValue, "REGEX", "only checks with a matching id"},
    {"exclude", Flag::kValue, "REGEX", "no checks with a matching id"},
    {"only-failed", Flag::kNothing, "", "show only failed checks"},
    {"in-process", Flag::kNothing, "", "run all checks in this process, for a debugger"},
    {"seed", Flag::kValue, "N", "seed of all random inputs; if not given, a new one each time"},
    {"timeout", Flag::kValue, "SECONDS", "time limit of one check (120)"},
    {"list", Flag::kNothing, "", "show the checks and run none"},
};

bool matches(const std::string& id, const std::string& flag, const std::string& pattern) {
  try {
    return std::regex_search(id, std::regex(pattern));
  } catch (const std::regex_error&) {
    fail("--{} \"{}\": not a regular expression", flag, pattern);
  }
}

std::vector<const Check*> chosen(const Arguments& arguments, const std::string& kind) {
  std::vector<const Check*> all = validate::checks_for(kind);
  const std::string include = arguments.text("include"), exclude = arguments.text("exclude");
  std::erase_if(all, [&](const Check* c) {
    return (!include.empty() && !matches(c->id, "include", include)) || (!exclude.empty() && matches(c->id, "exclude", exclude));
  });
  if (all.empty()) fail("no check is left\n       `corral plugin validate PATH.so --list` shows them");
  return all;
}

void show(const Result& r) {
  std::printf("%s  %-28s %s\n", kNames[r.outcome.status], r.check->id, r.check->sentence);
  if (!r.outcome.reason.empty()) std::printf("      %s\n", r.outcome.reason.c_str());
  std::fflush(stdout);
}

nlohmann::ordered_json as_json(const validate::Subject& s, const std::vector<Result>& results) {
  nlohmann::ordered_json checks = nlohmann::ordered_json::array();
  for (const Result& r : results)
    checks.push_back({{"id", r.check->id},
                      {"sentence", r.check->sentence},
                      {"result", kNames[r.outcome.status]},
                      {"reason", r.outcome.reason},
                      {"seconds", r.seconds}});
  return {{"kind", s.info.kind}, {"name", s.info.name}, {"version", s.info.version},
          {"path", s.info.path}, {"seed", s.seed},      {"checks", checks}};
}

// Throws Error (2) if one flag makes another useless.
void check_flags(const Arguments& arguments) {
  constexpr std::pair<const char*, const char*> kWithout[] = {{"list", "json"}, {"list", "only-failed"}, {"list", "in-process"},
                                                              {"list", "seed"}, {"list", "timeout"},     {"in-process", "timeout"}};
  for (const auto& [flag, other] : kWithout)
    if (arguments.has(flag) && arguments.has(other)) fail("--{} leaves --{} without effect: give one of them", flag, other);
}

int run(const Arguments& arguments) {
  check_flags(arguments);
  validate::Subject subject;
  Libraries libraries;
  subject.info = examine(arguments.words[0], libraries);
  if (!subject.info.available) throw Error(subject.info.exit_code, format("{}: {}", arguments.words[0], subject.info.reason));
  subject.seed = arguments.has("seed") ? static_cast<uint64_t>(arguments.integer("seed", 0)) : std::random_device()();
  const std::vector<const Check*> checks = chosen(arguments, subject.info.kind);
  if (arguments.has("list")) {
    for (const Check* check : checks) std::printf("%-28s %s\n", check->id, check->sentence);
    return 0;
  }
  const validate::RunOptions options{arguments.has("in-process"), arguments.number("timeout", 120)};
  if (!(options.seconds > 0)) fail("--timeout = {}: expected more than 0", options.seconds);
  const bool json = arguments.has("json"), only_failed = arguments.has("only-failed");
  std::vector<Result> results;
  size_t counts[4] = {};
  for (const Check* check : checks) {
    Result result = validate::run(*check, subject, options);
    ++counts[result.outcome.status];
    const bool shown = !only_failed || result.outcome.status == Outcome::kFail;
    if (shown && !json) show(result);
    if (shown) results.push_back(std::move(result));
  }
  if (json)
    print_json(as_json(subject, results));
  else
    std::printf("%s/%s: %zu passed, %zu failed, %zu warnings, %zu skipped; seed %llu\n", subject.info.kind.c_str(),
                subject.info.name.c_str(), counts[Outcome::kPass], counts[Outcome::kFail], counts[Outcome::kWarn], counts[Outcome::kSkip],
                static_cast<unsigned long long>(subject.seed));
  return counts[Outcome::kFail] ? 1 : 0;
}

}  // namespace

extern const Command command_plugin_validate{
    "plugin validate", "check a plugin against the ABI and the contract of its kind", "PATH.so", kFlags, {}, run};

}  // namespace corral::cli
