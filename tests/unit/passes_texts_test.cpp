#include <gtest/gtest.h>

#include "kernel/graph/verify.h"
#include "kernel/passes/autodiff.h"
#include "kernel/passes/generation.h"
#include "kernel/passes/texts.h"
#include "tests/unit/passes_small_model.h"

namespace corral {
namespace {

size_t nodes_with(const Graph& g, int64_t texts) {
  size_t count = 0;
  for (const Node& n : g.nodes)
    if (const Attribute* a = find_attribute(g, n, "texts")) count += a->integer == texts;
  return count;
}

TEST(Texts, AreToldToAttentionForwardAndBackward) {
  const Graph g = passes::autodiff(small_model()), told = passes::tell_texts(g, 3);
  graph::verify(told);
  EXPECT_EQ(nodes_with(told, 3), 2 * 2u);
  EXPECT_EQ(nodes_with(passes::autodiff(passes::tell_texts(small_model(), 3)), 3), 2 * 2u) << "the gradient keeps it";
  EXPECT_EQ(passes::tell_texts(g, 0).encode(), g.encode()) << "0: not known";
}

TEST(Texts, AreToldToThePartsOfABody) {
  Graph g = small_model();
  GraphBuilder b(g);
  const auto at = std::find_if(g.nodes.begin(), g.nodes.end(), [&](const Node& n) { return op_of(g, n) == "attention"; });
  const Node attention = *at;
  g.nodes.erase(at + 1, g.nodes.end());
  g.outputs.clear();
  b.fuse(g.nodes.size() - 1, "test.attention", attention.inputs, attention.outputs);
  const Graph told = passes::tell_texts(g, 1);
  const Node part = body_of(told.nodes.back())[0];
  ASSERT_NE(find_attribute(told, part, "texts"), nullptr);
  EXPECT_EQ(find_attribute(told, part, "texts")->integer, 1);
}

TEST(Texts, OfTheDataSayNothingOfWhatIsGenerated) {
  const Graph g = passes::generation(passes::tell_texts(small_model(), 1), 32);
  graph::verify(g);
  EXPECT_EQ(nodes_with(g, 1), 0u);
}

}  // namespace
}  // namespace corral
