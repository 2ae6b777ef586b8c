// Graphs come from plugins: verify refuses every bad one with a message.
#include <gtest/gtest.h>

#include <random>

#include "corral/error.h"
#include "kernel/graph/verify.h"
#include "tests/unit/passes_small_model.h"

namespace corral {
namespace {

template <class Change>
std::string refusal(Change change) {
  Graph g = small_model();
  change(g);
  try {
    graph::verify(g);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

size_t first(const Graph& g, std::string_view op) {
  for (size_t i = 0; i < g.nodes.size(); ++i)
    if (op_of(g, g.nodes[i]) == op) return i;
  return SIZE_MAX;
}

TEST(Verify, AcceptsAGoodGraph) {
  EXPECT_EQ(refusal([](Graph&) {}), "");
}

TEST(Verify, RefusesNumbersOutOfRange) {
  EXPECT_NE(refusal([](Graph& g) { g.nodes[0].op = 100000; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.nodes[0].scope = 100000; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.nodes[0].inputs[0] = 100000; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.nodes[0].outputs[0] = 100000; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.nodes[1].attributes[0].name = 100000; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.tensors[3].name = 100000; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.states[0].tensor = 100000; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.states[0].of = 100000; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.states[0].saved_name = 100000; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.inputs[0].tensor = 100000; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.outputs[0].name = 100000; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.names.clear(); }), "");
  EXPECT_NE(refusal([](Graph& g) { g.tensors.clear(); }), "");
  EXPECT_NE(refusal([](Graph& g) { g = {}; }), "");
}

TEST(Verify, RefusesInvalidSizesTypesAndChoices) {
  EXPECT_NE(refusal([](Graph& g) { g.tensors[5].shape = {-1}; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.tensors[5].shape = {INT64_MAX, INT64_MAX}; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.tensors[5].dtype = static_cast<DType>(99); }), "");
  EXPECT_NE(refusal([](Graph& g) { g.nodes[0].phase = static_cast<Phase>(-3); }), "");
  EXPECT_NE(refusal([](Graph& g) { g.nodes[0].when = static_cast<When>(3); }), "");
  EXPECT_NE(refusal([](Graph& g) { g.states[0].kind = static_cast<StateKind>(77); }), "");
  EXPECT_NE(refusal([](Graph& g) { g.states[0].init = static_cast<InitKind>(77); }), "");
  EXPECT_NE(refusal([](Graph& g) { g.states[0].init = InitKind::COPY; }), "");
}

TEST(Verify, RefusesAnOrderThatCannotRun) {
  EXPECT_NE(refusal([](Graph& g) { std::swap(g.nodes[0], g.nodes[1]); }), "");
  EXPECT_NE(refusal([](Graph& g) { g.nodes[1].outputs = g.nodes[0].outputs; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.nodes.pop_back(); }), "");
  EXPECT_NE(refusal([](Graph& g) { g.states.push_back(g.states[0]); }), "");
  EXPECT_NE(refusal([](Graph& g) { g.tensors[g.states[1].tensor].name = g.tensors[g.states[0].tensor].name; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.inputs[1].name = g.inputs[0].name; }), "");
  // A tensor that is written on the first micro-batch alone, or in the update, does not exist when it is read.
  EXPECT_NE(refusal([](Graph& g) { g.nodes[0].when = When::FIRST; }).find("in another run"), std::string::npos);
  EXPECT_NE(refusal([](Graph& g) { g.nodes.back().phase = Phase::UPDATE; }).find("in another run"), std::string::npos);
}

TEST(Verify, RefusesOperandsThatTheOperationDoesNotTake) {
  EXPECT_NE(refusal([](Graph& g) { g.nodes[0].outputs.clear(); }), "");
  EXPECT_NE(refusal([](Graph& g) { g.nodes[0].outputs[0] = 0; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.nodes[0].inputs.clear(); }), "");
  EXPECT_NE(refusal([](Graph& g) { g.nodes[0].inputs.push_back(1); }), "");
  EXPECT_NE(refusal([](Graph& g) { g.nodes[0].accumulate = 1; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.nodes[0].accumulate = 1u << 31; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.nodes[0].attributes.emplace_back(); }), "");
  EXPECT_NE(refusal([](Graph& g) { g.tensors[g.nodes[0].inputs[0]].dtype = DType::F32; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.tensors[g.nodes[0].outputs[0]].dtype = DType::I64; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.nodes[first(g, "rope")].attributes[0].integer = INT64_MAX; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.nodes[first(g, "rope")].attributes[0].integer = 0; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.nodes[first(g, "product")].attributes[0].text = "bprop"; }), "");
  EXPECT_NE(refusal([](Graph& g) { g.nodes[first(g, "product")].attributes.clear(); }), "");
}

TEST(Verify, SaysWhichNodeInWhichScope) {
  const std::string text = refusal([](Graph& g) {
    Node& n = g.nodes[first(g, "swiglu")];
    n.inputs[1] = g.nodes[0].outputs[0];
  });
  EXPECT_NE(text.find("swiglu in layers.0 (node "), std::string::npos) << text;
  EXPECT_NE(text.find("up [2 6 8]: needs the shape of gate"), std::string::npos) << text;
}

TEST(Verify, NamesTheNearestOfAnUnknownOperation) {
  const std::string text = refusal([](Graph& g) { g.nodes[0].op = GraphBuilder(g).name("embeding"); });
  EXPECT_NE(text.find("did you mean \"embedding\"?"), std::string::npos) << text;
}

// After random changes to the encoded bytes a graph that still decodes is accepted or refused; an accepted one runs.
TEST(Verify, SurvivesRandomBytes) {
  const std::string good = small_model().encode();
  std::mt19937_64 random(7);
  size_t read = 0, taken = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = good;
    const size_t changes = 1 + random() % 3;
    for (size_t c = 0; c < changes; ++c) bytes[random() % bytes.size()] = static_cast<char>(random());
    Graph g;
    try {
      g = Graph::decode(bytes.data(), bytes.size());
    } catch (const protozero::exception&) {
      continue;
    }
    ++read;
    try {
      graph::verify(g);
      ++taken;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(read, 1000u);
  EXPECT_GT(taken, 100u);
  EXPECT_LT(taken, read);
}

}  // namespace
}  // namespace corral
