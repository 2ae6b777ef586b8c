// Memory of a graph of the size of a 405B model's is planned before anybody waits.
#include <gtest/gtest.h>

#include <cstdio>
#include <ctime>

#include "kernel/passes/autodiff.h"
#include "kernel/plan/arena.h"
#include "tests/unit/passes_small_model.h"

namespace corral {
namespace {

TEST(PlanSpeed, MemoryOfALargeModelIsPlannedWithinTwoSeconds) {
  const Graph g = passes::autodiff(small_model(false, 6, 450));
  EXPECT_GE(g.nodes.size(), 14000u);
  const std::clock_t start = std::clock();  // of the processor: others use the machine too
  plan::plan_in_order({&g}, 0);
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  std::printf("%zu nodes: %.0f ms\n", g.nodes.size(), seconds * 1e3);
  EXPECT_LT(seconds, 2);
}

}  // namespace
}  // namespace corral
