#include "bin/terminal/conversion_flags.h"

#include <charconv>

#include "bin/terminal/sources.h"
#include "corral/error.h"

namespace corral::cli {

std::optional<convert::LogitsCheckOptions> wanted_check(const Arguments& arguments) {
  if (arguments.has("check-memory") && !arguments.has("check")) fail("--check-memory limits the memory of --check: give that too");
  const uint64_t memory = size_of_flag(arguments, "check-memory");
  if (!arguments.has("check")) return {};
  return convert::LogitsCheckOptions{sources(arguments), memory};
}

uint64_t size_of_flag(const Arguments& arguments, const std::string& flag) {
  const std::string text = arguments.text(flag);
  if (text.empty()) return 0;
  constexpr std::pair<const char*, double> kUnits[] = {{"", 1}, {"B", 1}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}};
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string unit(error == std::errc() ? stop : text.data(), text.data() + text.size());
  for (const auto& [name, factor] : kUnits)
    if (error == std::errc() && unit == name && value * factor >= 1 && value * factor < 1e18) return static_cast<uint64_t>(value * factor);
  fail("--{} = \"{}\": expected a size such as 5GB or 200MB", flag, text);
}

}  // namespace corral::cli
