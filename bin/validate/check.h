// What `corral plugin validate` checks. Each check is one sentence that holds of a good plugin, and runs in a process of its own.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "bin/validate/loaded.h"
#include "kernel/plugin/discovery.h"

namespace corral::validate {

// The plugin that is looked at. It is not loaded: checks load it themselves.
struct Subject {
  PluginInfo info;
  uint64_t seed = 0;
  std::string scratch;  // an empty folder of this check's own

  // The encoded defaults of its options.
  std::string options() const;
  std::mt19937_64 random() const { return std::mt19937_64(seed); }
};

struct Outcome {
  enum Status { kPass, kFail, kWarn, kSkip };
  Status status = kPass;
  std::string reason;  // of a pass: what was measured, or ""
};

inline Outcome pass(std::string measured = "") { return {Outcome::kPass, std::move(measured)}; }
inline Outcome failed(std::string reason) { return {Outcome::kFail, std::move(reason)}; }
inline Outcome warn(std::string reason) { return {Outcome::kWarn, std::move(reason)}; }
inline Outcome skip(std::string reason) { return {Outcome::kSkip, std::move(reason)}; }

struct Check {
  const char* id;                  // "symbols.one-export"
  const char* sentence;            // what holds
  Outcome (*run)(const Subject&);  // what it throws is a failure
};

// What is known of a kind: how to use such a plugin in a small way, and what it must fulfil.
struct Kind {
  const char* name;
  const char* interface_id;
  uint64_t table_size;  // of ABI 1.0
  // Uses the plugin once, as a run would. Throws what the plugin says, or what is wrong.
  void (*exercise)(const Subject&, const std::shared_ptr<const Plugin>&);
  std::span<const Check> checks;
};

std::vector<std::span<const Check>> general_checks();
std::span<const Kind* const> kinds();
const Kind* find_kind(const std::string& name);  // null: its conformance is not known here

// All checks for a plugin of this kind, the general ones first.
std::vector<const Check*> checks_for(const std::string& kind);

}  // namespace corral::validate
