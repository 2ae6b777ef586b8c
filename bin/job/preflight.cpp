#include "bin/job/preflight.h"

#include "corral/error.h"

namespace corral::job {
namespace {

std::string places_of(const SampleFinding& finding) {
  std::string all;
  for (const std::string& place : finding.places) all += (all.empty() ? "" : ", ") + place;
  return finding.samples > finding.places.size() ? all + ", …" : all;
}

}  // namespace

std::vector<std::string> findings_of(const SampleReport& report) {
  std::vector<std::string> lines;
  for (const SampleFinding& f : report.findings)
    lines.push_back(format("{} of {} samples: {} ({})\n       {}", f.samples, report.samples, f.cause, places_of(f), f.remedy));
  return lines;
}

std::string verdict_on(const SampleReport& report) {
  if (100 * report.untrained > report.samples)
    return format("{} of {} samples have no trained token of an answer, more than 1%", report.untrained, report.samples);
  if (report.ended == 0) return "no sample trains the end of an answer: the model would not learn to stop";
  return "";
}

bool check_before_training(const DatasetHandle& data, const std::function<void(const std::string& line)>& say) {
  SampleReport report;
  try {
    report = data.inspect({});
  } catch (const Unsupported&) {
    return false;
  }
  const std::vector<std::string> findings = findings_of(report);
  const std::string verdict = verdict_on(report);
  if (verdict.empty()) {
    for (const std::string& line : findings) say("warning: " + line);
    return true;
  }
  std::string all = verdict;
  for (const std::string& line : findings) all += "\n       " + line;
  fail("{}\n       `corral data check --show 3` with the same data shows the trained tokens", all);
}

}  // namespace corral::job
