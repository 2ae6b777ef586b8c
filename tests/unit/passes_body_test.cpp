// A node whose operation the kernel does not have is defined by its body, for verification, gradients, recomputation and the reference.
#include <gtest/gtest.h>

#include <sstream>

#include "corral/error.h"
#include "kernel/graph/print.h"
#include "kernel/graph/verify.h"
#include "kernel/passes/autodiff.h"
#include "kernel/passes/expand.h"
#include "kernel/passes/generation.h"
#include "kernel/passes/recompute.h"
#include "tests/unit/passes_fused_model.h"

namespace corral {
namespace {

size_t fused_nodes(const Graph& g) {
  size_t count = 0;
  for (const Node& n : g.nodes) count += !n.body.empty();
  return count;
}

Graph expanded(Graph g) {
  return passes::expand(std::move(g), [](const Graph&, const Node&) { return true; });
}

std::map<std::string, std::vector<double>> results(const Graph& g) {
  graph::verify(g);
  graph::Interpreter run(g);
  fill_small_model(g, run);
  run.run_all();
  std::map<std::string, std::vector<double>> values{{"losses", run[find_port(g, g.outputs, "losses")]}};
  for (const State& s : g.states)
    if (s.kind == StateKind::GRADIENT) values[name_of(g, s.tensor)] = run[s.tensor];
  return values;
}

TEST(Body, ComputesTheSameAsItsNode) {
  const Graph g = fused_model();
  EXPECT_EQ(fused_nodes(g), 4u);
  EXPECT_EQ(results(g), results(small_model()));
  EXPECT_EQ(fused_nodes(expanded(g)), 0u);
  EXPECT_EQ(expanded(g).nodes.size(), small_model().nodes.size());
  EXPECT_EQ(results(expanded(g)), results(small_model()));
}

TEST(Body, GivesTheGradientAndLeavesTheNodeInTheForwardPhase) {
  const Graph g = passes::autodiff(fused_model());
  EXPECT_EQ(fused_nodes(g), 4u);
  const auto ours = results(g), theirs = results(passes::autodiff(small_model()));
  EXPECT_EQ(ours, theirs);
  EXPECT_GT(ours.size(), 10u);
}

TEST(Body, IsRepeatedInTheBackwardPhaseOnlyForTensorsThatAreRead) {
  // The gradient of the gated part reads gate and up, so its body is repeated without swiglu. The gradient of the fused rope and product
  // reads nothing inside, so its body is not repeated.
  size_t repeated = 0;
  const Graph g = passes::autodiff(fused_model());
  for (const Node& n : g.nodes)
    if (n.phase == Phase::BACKWARD && op_of(g, n) == "product" && find_attribute(g, n, "role")->text == "fprop") ++repeated;
  EXPECT_EQ(repeated, 4u);
  for (const Node& n : g.nodes)
    if (n.phase == Phase::BACKWARD) {
      EXPECT_NE(op_of(g, n), "swiglu");
    }
}

TEST(Body, IsRecomputedWithTheNode) {
  const Graph g = passes::autodiff(fused_model());
  const auto expected = results(g);
  for (const char* granularity : {"selective", "full"}) EXPECT_EQ(results(passes::recompute(g, granularity, 0)), expected) << granularity;
  EXPECT_GT(fused_nodes(passes::recompute(g, "full", 0)), fused_nodes(g));
}

TEST(Body, IsOpenedByAPassThatReplacesANodeInside) {
  Graph g = small_model();
  size_t at = 0;
  while (op_of(g, g.nodes[at]) != "attention") ++at;
  const std::vector<Node> rest(g.nodes.begin() + static_cast<ptrdiff_t>(at) + 1, g.nodes.end());
  const Node attention = g.nodes[at];
  g.nodes.resize(at + 1);
  GraphBuilder b(g);
  b.scope = "layers.0";
  b.fuse(at, "test.attention", attention.inputs, attention.outputs);
  g.nodes.insert(g.nodes.end(), rest.begin(), rest.end());
  g = passes::generation(std::move(g), 16);
  graph::verify(g);
  EXPECT_EQ(fused_nodes(g), 0u);
  EXPECT_EQ(std::count_if(g.nodes.begin(), g.nodes.end(), [&](const Node& n) { return op_of(g, n) == "write_cache"; }), 4);
}

TEST(Body, ComesThroughTheWireAndIsPrinted) {
  const std::string bytes = fused_model().encode();
  const Graph g = Graph::decode(bytes.data(), bytes.size());
  EXPECT_EQ(results(g), results(fused_model()));
  std::ostringstream out;
  graph::print(g, out);
  EXPECT_NE(out.str().find("= test.gated("), std::string::npos);
  EXPECT_NE(out.str().find("      | %"), std::string::npos);
}

struct Mistake {
  const char* name;
  void (*make)(Graph& g, Node& fused);
  const char* sentence;
};

class WrongBody : public testing::TestWithParam<Mistake> {};

TEST_P(WrongBody, IsRefusedNamingNodeAndPart) {
  Graph g = fused_model();
  const auto fused = std::find_if(g.nodes.begin(), g.nodes.end(), [&](const Node& n) { return op_of(g, n) == "test.gated"; });
  GetParam().make(g, *fused);
  try {
    graph::verify(g);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(GetParam().sentence), std::string::npos) << e.what();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Body, WrongBody,
    testing::Values(Mistake{"OfAKernelsOperation", [](Graph& g, Node& n) { n.op = GraphBuilder(g).name("swiglu"); },
                            "swiglu in layers.0 (node 7): has a body"},
                    Mistake{"OfUnknownParts", [](Graph& g, Node& n) { n.body[2].op = GraphBuilder(g).name("swigul"); },
                            "did you mean \"swiglu\""},
                    Mistake{"ThatReadsMore", [](Graph&, Node& n) { n.inputs.pop_back(); }, "part 1 of its body, product: reads"},
                    Mistake{"InAnotherOrder", [](Graph&, Node& n) { std::swap(n.body[0], n.body[2]); }, "part 0 of its body"},
                    Mistake{"ThatWritesMore", [](Graph& g, Node& n) { n.body[0].outputs[0] = g.nodes[0].outputs[0]; }, "nor its own"},
                    Mistake{"ThatLeavesAnOutputOut", [](Graph&, Node& n) { n.body.pop_back(); }, "output 0 is made by no part"},
                    Mistake{"ThatAddsWhereTheNodeDoesNot", [](Graph&, Node& n) { n.accumulate = 1; }, "disagree about accumulation"},
                    Mistake{"WithATensorThatIsNot", [](Graph&, Node& n) { n.body[1].inputs[0] = 100000; }, "names tensor 100000"},
                    Mistake{"WithANameThatIsNot", [](Graph&, Node& n) { n.body[1].op = 100000; }, "name 100000"},
                    Mistake{"WhoseInsideIsReadOutside",
                            [](Graph& g, Node& n) {
                              (&n + 1)->inputs[0] = n.body[0].outputs[0];
                              g.unknown.clear();
                            },
                            "before it is written"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace corral
