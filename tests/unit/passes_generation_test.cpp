#include <gtest/gtest.h>

#include "kernel/graph/verify.h"
#include "kernel/passes/generation.h"
#include "tests/unit/passes_small_model.h"

namespace corral {
namespace {

void set(const Graph& g, graph::Interpreter& run, const char* name, std::vector<double> values) {
  run[find_port(g, g.inputs, name)] = std::move(values);
}

TEST(Generation, PrefillAndDecodeGiveTheLogitsOfTheWholeSequence) {
  constexpr int kPlaces = 6, kVocabulary = 13;
  const Graph whole = passes::logits_of_all(small_model());
  graph::verify(whole);
  graph::Interpreter all(whole);
  fill_small_model(whole, all);
  all.run_all();
  const std::vector<double> expected = all[find_port(whole, whole.outputs, "logits")];
  const std::vector<double> tokens = all[find_port(whole, whole.inputs, "tokens")];
  const auto row = [&](int b, int t) {
    return std::vector(expected.begin() + (b * kPlaces + t) * kVocabulary, expected.begin() + (b * kPlaces + t + 1) * kVocabulary);
  };

  // A prefill of four token positions, where the first of the second sequence is padding; then two decode steps.
  const Graph prefill = passes::generation(small_model(false, 4), kPlaces), decode = passes::generation(small_model(false, 1), kPlaces);
  graph::verify(prefill);
  graph::verify(decode);
  graph::Interpreter p(prefill), d(decode);
  fill_small_model(prefill, p);
  set(prefill, p, "tokens", {tokens[0], tokens[1], tokens[2], tokens[3], 0, tokens[6], tokens[7], tokens[8]});
  set(prefill, p, "positions", {0, 1, 2, 3, -1, 0, 1, 2});
  set(prefill, p, "last", {3, 3});
  p.run_all();
  const std::vector<double>& logits = p[find_port(prefill, prefill.outputs, "logits")];
  for (int v = 0; v < kVocabulary; ++v) {
    EXPECT_NEAR(logits[v], row(0, 3)[v], 1e-12);
    EXPECT_NEAR(logits[kVocabulary + v], row(1, 2)[v], 1e-12);
  }
  fill_small_model(decode, d);
  for (const State& s : decode.states)
    if (s.kind == StateKind::CACHE) d[s.tensor] = p.named(name_of(decode, s.tensor));
  for (int step = 0; step < 2; ++step) {
    set(decode, d, "tokens", {tokens[4 + step], tokens[6 + 3 + step]});
    set(decode, d, "positions", {4.0 + step, 3.0 + step});
    set(decode, d, "last", {0, 0});
    d.run_all();
    for (int v = 0; v < kVocabulary; ++v) {
      EXPECT_NEAR(d[find_port(decode, decode.outputs, "logits")][v], row(0, 4 + step)[v], 1e-12);
      EXPECT_NEAR(d[find_port(decode, decode.outputs, "logits")][kVocabulary + v], row(1, 3 + step)[v], 1e-12);
    }
  }
}

TEST(Generation, HasNoTargetsAndNoLoss) {
  const Graph g = passes::generation(small_model(), 32);
  EXPECT_EQ(find_port(g, g.inputs, "targets"), 0u);
  EXPECT_EQ(find_port(g, g.inputs, "last_key"), 0u);
}

}  // namespace
}  // namespace corral
