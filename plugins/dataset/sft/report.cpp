#include "plugins/dataset/sft/report.h"

#include <algorithm>
#include <map>

namespace corral::sft {
namespace {
constexpr size_t kPlaces = 5;

struct Told {
  const char* cause;
  const char* remedy;
};

Told told(Fault fault) {
  constexpr const char* kLonger =
      "set train.seq_length higher (--seq-length; with packing --set data.packed_seq_length), or leave such rows out";
  switch (fault) {
    case Fault::kNone:
      return {"", ""};
    case Fault::kNoAnswer:
      return {"no turn of the assistant", "give each row one: role \"assistant\" in messages, from \"gpt\" in conversations"};
    case Fault::kEmptyAnswer:
      return {"every answer is empty", "leave such rows out, or fill them"};
    case Fault::kCutBeforeAnswer:
      return {"cut before the answer begins", kLonger};
    case Fault::kCutBeforeEnd:
      return {"cut before the answer ends", kLonger};
    case Fault::kAllMasked:
      return {"every label is -100", "set a label to its id to train it, or leave labels out"};
  }
  return {"", ""};
}

}  // namespace

SampleReport report(const SampleSet& set, const SampleQuery& query) {
  SampleReport report;
  std::map<Fault, SampleFinding> findings;
  for (const SampleSet::Entry& e : set.entries) {
    ++report.samples;
    report.tokens += e.tokens;
    report.trained_tokens += e.trained;
    report.truncated += e.truncated;
    report.untrained += !e.trains_answer;
    report.ended += e.trains_end;
    if (e.fault == Fault::kNone) continue;
    SampleFinding& finding = findings[e.fault];
    if (finding.samples++ < kPlaces) finding.places.push_back(set.place(e));
  }
  for (auto& [fault, finding] : findings) {
    finding.cause = told(fault).cause;
    finding.remedy = told(fault).remedy;
    report.findings.push_back(std::move(finding));
  }
  const uint64_t first = std::min<uint64_t>(query.first, set.entries.size());
  const uint64_t last = first + std::min<uint64_t>(query.count, set.entries.size() - first);
  for (uint64_t i = first; i < last; ++i) {
    const SampleSet::Entry& e = set.entries[i];
    SampleView view;
    view.place = set.place(e);
    view.trained.assign(e.tokens, '\0');
    for (uint32_t t = 0; t < e.tokens; ++t) view.ids.push_back(set.tokens[e.token + t]);
    for (const SampleSet::Span& span : set.spans_of(e)) std::fill(view.trained.begin() + span.begin, view.trained.begin() + span.end, '\1');
    report.views.push_back(std::move(view));
  }
  return report;
}

}  // namespace corral::sft
