#include "bin/terminal/sampling.h"

#include <cmath>

#include "bin/job/generation_config.h"
#include "corral/error.h"

namespace corral::cli {
using nlohmann::json;

double checked(double value, double low, double high, bool whole, const std::string& said) {
  if (!(value >= low && value <= high) || (whole && value != std::floor(value)))
    fail("{}: needs a {}number from {} to {}", said, whole ? "whole " : "", low, high);
  return value;
}

generate::Sampling sampling(const Arguments& arguments, const job::ModelSource& source) {
  const json config = job::generation_config(source);
  const auto sample = config.find("do_sample");
  const bool asked = arguments.has("top-k") || arguments.has("top-p") || arguments.has("min-p");
  const bool samples = asked || (sample != config.end() && sample->is_boolean() && sample->get<bool>());
  generate::Sampling s;
  s.temperature = samples ? 1 : 0;
  s.seed = 1234;
  for (const SamplingFlag& f : kSampling) {
    const std::string name = f.flag.name;
    std::string key = name;
    std::replace(key.begin(), key.end(), '-', '_');
    const auto own = config.find(key);
    if (arguments.has(name))
      f.set(s, checked(arguments.number(name, 0), f.low, f.high, f.whole, format("--{} = {}", name, arguments.text(name))));
    else if (own != config.end() && own->is_number() && (samples || key == "repetition_penalty"))
      f.set(s, checked(own->get<double>(), f.low, f.high, f.whole, format("generation_config.json: {} = {}", key, own->dump())));
  }
  return s;
}

}  // namespace corral::cli
