// `corral data check`: shows, before training, what a loss on these samples would see.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "bin/job/job.h"
#include "bin/job/preflight.h"
#include "bin/job/settings.h"
#include "bin/terminal/json.h"
#include "bin/terminal/program_host.h"
#include "bin/terminal/sources.h"
#include "corral/error.h"

namespace corral::cli {
namespace {

constexpr Flag kFlags[] = {
    {"show", Flag::kValue, "N", "show this many samples, with the trained tokens highlighted", ""},
    {"json", Flag::kNothing, "", "print one JSON object", ""},
};
constexpr const char* kShared[] = {"recipe", "config", "set", "data", "dataset", "tokenizer", "seq-length"};

// The terminal codes or characters that mark a trained stretch.
struct Marks {
  const char *trained, *given, *end;
};

Marks marks() {
  const char* no_color = std::getenv("NO_COLOR");
  if (!isatty(STDOUT_FILENO) || (no_color && *no_color)) return {"⟦", "", "⟧"};
  return {"\033[1;32m", "\033[2m", "\033[0m"};
}

void show(const SampleView& view, const TokenizerHandle* tokenizer) {
  const Marks m = marks();
  std::printf("%s: %zu tokens, trained ones %s%s%s\n", view.place.c_str(), view.ids.size(), m.trained, "so", m.end);
  for (size_t i = 0, end; i < view.ids.size(); i = end) {
    const char trained = view.trained[i];
    for (end = i; end < view.ids.size() && view.trained[end] == trained; ++end) {
    }
    std::string text;
    if (tokenizer)
      text = tokenizer->decode(view.ids.data() + i, end - i);
    else
      for (size_t t = i; t < end; ++t) text += (t > i ? " " : "") + std::to_string(view.ids[t]);
    const bool plain = !trained && *m.given == '\0';
    std::printf("%s%s%s", trained ? m.trained : m.given, text.c_str(), plain ? "" : m.end);
  }
  std::printf("\n\n");
}

void print_json(const SampleReport& report, const std::string& verdict) {
  nlohmann::ordered_json json{
      {"samples", report.samples},           {"tokens", report.tokens},       {"trained_tokens", report.trained_tokens},
      {"truncated", report.truncated},       {"untrained", report.untrained}, {"ended", report.ended},
      {"findings", nlohmann::json::array()}, {"passed", verdict.empty()}};
  for (const SampleFinding& f : report.findings)
    json["findings"].push_back({{"cause", f.cause}, {"remedy", f.remedy}, {"samples", f.samples}, {"places", f.places}});
  for (const SampleView& view : report.views) {
    std::vector<int32_t> labels = view.ids;
    for (size_t i = 0; i < labels.size(); ++i)
      if (!view.trained[i]) labels[i] = -100;
    json["shown"].push_back({{"place", view.place}, {"input_ids", view.ids}, {"labels", labels}});
  }
  cli::print_json(json);
}

int run(const Arguments& arguments) {
  config::Sources from = sources(arguments);
  prefer_samples(from, "data check");
  const config::RunConfig config = resolve(host_of(arguments), from);
  const auto tokenizer = open_tokenizer(host_of(arguments), config, "");
  const auto data = open_dataset(host_of(arguments), config, tokenizer.get(), true);
  SampleQuery query;
  const int64_t wanted = arguments.integer("show", 0);
  if (wanted < 0) fail("--show = {}: needs a number from 0 on", wanted);
  query.count = static_cast<uint64_t>(wanted);
  const SampleReport report = data->inspect(query);
  const std::string verdict = job::verdict_on(report);
  if (arguments.has("json")) {
    print_json(report, verdict);
  } else {
    for (const SampleView& view : report.views) show(view, tokenizer.get());
    const auto line = [](const char* what, uint64_t n, uint64_t of) {
      std::printf("%-46s %llu", what, static_cast<unsigned long long>(n));
      if (of > 0) std::printf(" (%.1f%%)", 100.0 * static_cast<double>(n) / static_cast<double>(of));
      std::printf("\n");
    };
    line("samples", report.samples, 0);
    line("tokens", report.tokens, 0);
    line("trained tokens", report.trained_tokens, report.tokens);
    line("truncated samples", report.truncated, report.samples);
    line("samples without a trained token of an answer", report.untrained, report.samples);
    line("samples that do not train an answer's end", report.samples - report.ended, report.samples);
    for (const std::string& finding : job::findings_of(report)) std::printf("%s\n", finding.c_str());
    std::fflush(stdout);
  }
  if (!verdict.empty()) fail_check("{}", verdict);
  return 0;
}

}  // namespace

extern const Command command_data_check{
    "data check", "show the training targets of samples and chats: counts, faults, a preview", "", kFlags, kShared, run};

}  // namespace corral::cli
