// The checks of `corral plugin validate`. Each check is one sentence that is true of a good plugin, and runs in a process of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "bin/validate/loaded.h"
#include "kernel/plugin/discovery.h"

namespace corral::validate {

// The plugin under test. It is not loaded: checks load it themselves.
struct Subject {
  PluginInfo info;
  uint64_t seed = 0;
  std::string scratch;  // an empty folder for this check alone

  // The encoded defaults of the plugin's options.
  std::string options() const;
  std::mt19937_64 random() const { return std::mt19937_64(seed); }
};

struct Outcome {
  enum Status { kPass, kFail, kWarn, kSkip };
  Status status = kPass;
  std::string reason;  // for a pass: the measurement, or ""
};

inline Outcome pass(std::string measured = "") { return {Outcome::kPass, std::move(measured)}; }
inline Outcome failed(std::string reason) { return {Outcome::kFail, std::move(reason)}; }
inline Outcome warn(std::string reason) { return {Outcome::kWarn, std::move(reason)}; }
inline Outcome skip(std::string reason) { return {Outcome::kSkip, std::move(reason)}; }

// A check whose work needs the plugin initialized once. A plugin that passes is shut down when nothing is left that the work made of it.
template <Outcome (*Work)(const Subject&, const std::shared_ptr<const Plugin>&)>
Outcome with_plugin(const Subject& s) {
  Loaded loaded(s.info);
  Outcome outcome = Work(s, loaded.init());
  if (outcome.status == Outcome::kPass) loaded.shutdown();
  return outcome;
}

struct Check {
  const char* id;                  // "symbols.one-export"
  const char* sentence;            // the requirement
  Outcome (*run)(const Subject&);  // an exception is a failure
};

// How to use a plugin of a kind in a small way, and the checks that it must pass.
struct Kind {
  const char* name;
  const char* interface_id;
  uint64_t table_size;  // in ABI 1.0
  // Uses the plugin once, as a run would. Throws the plugin's message, or a fault.
  void (*exercise)(const Subject&, const std::shared_ptr<const Plugin>&);
  std::span<const Check> checks;
};

std::vector<std::span<const Check>> general_checks();
std::span<const Kind* const> kinds();
const Kind* find_kind(const std::string& name);  // null: the conformance of this kind is not known here

// All checks for a plugin of this kind, the general ones first.
std::vector<const Check*> checks_for(const std::string& kind);

}  // namespace corral::validate
