#include "bin/convert/logits_check.h"

#include <algorithm>
#include <cmath>

#include "bin/job/found_checkpoint.h"
#include "bin/job/job.h"
#include "corral/error.h"
#include "kernel/checkpoint/files.h"

namespace corral::convert {
namespace {
constexpr int64_t kGapAt = 16, kAfterGap = 9000;

struct Logits {
  std::string too_large;  // why the model does not fit, or ""
  std::vector<float> values;
  size_t width = 0;  // logits per token
};

Logits logits_of(const job::Host& host, const LogitsCheckOptions& options, const job::ModelSource& source, size_t vocabulary) {
  config::RunConfig config = configure_to_run(host, options.sources, source);
  config.set("precision.plugin", std::string("fp32"), "--check");
  const train::Pipeline pipeline = make_pipeline(host, config);
  const auto device = open_device(host, config);
  const uint64_t memory = options.memory ? options.memory : job::free_memory(*device);
  runtime::Session session(device, {pipeline.logits(LogitsCheck::kPrompts, LogitsCheck::kTokens)});
  Logits logits;
  if (session.plan().total > memory) {
    logits.too_large = format("{} needs {} in fp32, but only {} may be used", source.path, checkpoint::size_text(session.plan().total),
                              checkpoint::size_text(memory));
    return logits;
  }
  session.allocate();
  load_parameters(source, pipeline, session);
  logits.width = static_cast<size_t>(config.integer("model.vocab_size"));
  const size_t ids = vocabulary ? std::min(vocabulary, logits.width) : logits.width;
  std::vector<int32_t> tokens, positions, last, first(LogitsCheck::kPrompts * LogitsCheck::kTokens);
  for (int64_t p = 0; p < LogitsCheck::kPrompts; ++p)
    for (int64_t i = 0; i < LogitsCheck::kTokens; ++i) {
      last.push_back(static_cast<int32_t>(i));
      tokens.push_back(static_cast<int32_t>(static_cast<size_t>(i * 7919 + p * 104729 + 13) % ids));
      const bool after = p == LogitsCheck::kPrompts - 1 && i >= kGapAt;
      positions.push_back(static_cast<int32_t>(after ? kAfterGap + i - kGapAt : i));
    }
  for (const auto& [name, values] : {std::pair{"tokens", &tokens}, {"positions", &positions}, {"first_key", &first}, {"last_key", &last}})
    session.write(session.input("logits", name), values->data(), values->size() * sizeof(int32_t));
  session.run(session.program("logits", [](const Node&) { return true; }));
  const runtime::TensorRef out = session.output("logits", "logits");
  logits.values.resize(out.bytes() / sizeof(float));
  session.read(out, logits.values.data(), out.bytes());
  return logits;
}

// The model's number of ids, by its plugin's options.
size_t vocabulary_of(const job::Host& host, const LogitsCheckOptions& options, const job::ModelSource& source) {
  return static_cast<size_t>(configure_to_run(host, options.sources, source).integer("model.vocab_size"));
}

}  // namespace

std::string LogitsCheck::sentence(const std::string& a, const std::string& b) const {
  if (passed())
    return format("the logits of both are the same on {} prompts of {} tokens (largest difference {})", kPrompts, kTokens, difference);
  return format("the logits of {} and of {} differ by {} (largest logit {}), most on prompt {} of {}{}", a, b, difference, largest,
                prompt + 1, kPrompts, prompt + 1 == kPrompts ? ", whose positions have a gap" : "");
}

LogitsCheck check_logits(const job::Host& host, const LogitsCheckOptions& options, const job::ModelSource& a, const job::ModelSource& b) {
  LogitsCheck check;
  // A vocabulary may be padded on one side.
  const size_t ids = std::min(vocabulary_of(host, options, a), vocabulary_of(host, options, b));
  const Logits first = logits_of(host, options, a, ids);
  if (check.skipped = first.too_large; !check.skipped.empty()) return check;
  const Logits second = logits_of(host, options, b, ids);
  if (check.skipped = second.too_large; !check.skipped.empty()) return check;
  for (size_t row = 0; row < first.values.size() / first.width; ++row)
    for (size_t id = 0; id < ids; ++id) {
      const double x = first.values[row * first.width + id], y = second.values[row * second.width + id];
      const double difference = std::isfinite(x) && std::isfinite(y) ? std::fabs(x - y) : x == y ? 0 : HUGE_VAL;
      check.largest = std::max(check.largest, std::fabs(x));
      if (difference <= check.difference) continue;
      check.difference = difference;
      check.prompt = row / LogitsCheck::kTokens;
    }
  return check;
}

LogitsCheck check_conversion(const job::Host& host, const LogitsCheckOptions& options, const job::ModelSource& source,
                             const std::string& target) {
  job::ModelSource own = source;
  // --hf-model may have described the source otherwise.
  if (!own.adapter && !own.info.config.empty()) {
    const job::FoundModel found = find_model(host, job::own_config(own.info));
    if (!found.plugin.empty()) {
      own.model_plugin = found.plugin;
      own.options = found.options;
    }
  }
  job::WantedModel wanted{.path = target};
  if (own.adapter) {
    wanted.base = own.path;
    wanted.peft = own.adapter->plugin;
  } else {
    wanted.model = source.model_plugin;
  }
  return check_logits(host, options, own, open_model_folder(host, wanted));
}

}  // namespace corral::convert
