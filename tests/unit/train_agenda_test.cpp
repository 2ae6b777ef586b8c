#include <gtest/gtest.h>

#include "kernel/train/agenda.h"

namespace corral::train {
namespace {

AgendaSettings settings() {
  AgendaSettings s;
  s.train_iters = 100;
  s.eval_interval = 4;
  s.sample_interval = 6;
  s.save_interval = 10;
  s.minutes = 1;
  return s;
}

TEST(Agenda, EachIntervalCountsStepsOfTheWholeRun) {
  for (uint64_t finished = 1; finished < 100; ++finished) {
    const AfterStep after = after_step(settings(), finished, false, 0);
    EXPECT_EQ(after.evaluates, finished % 4 == 0) << finished;
    EXPECT_EQ(after.samples, finished % 6 == 0) << finished;
    EXPECT_EQ(after.saves, finished % 10 == 0) << finished;
    EXPECT_EQ(after.drains(), finished % 4 == 0 || finished % 6 == 0 || finished % 10 == 0) << finished;
    EXPECT_FALSE(after.ends) << finished;
  }
}

TEST(Agenda, WhatIsNotAskedForNeverComes) {
  AgendaSettings s;
  s.train_iters = 1000;
  for (uint64_t finished = 1; finished < 1000; ++finished) EXPECT_FALSE(after_step(s, finished, false, 1e9).drains()) << finished;
}

TEST(Agenda, EveryEndSaves) {
  const auto end = [](uint64_t finished, bool asked, double seconds) {
    const AfterStep after = after_step(settings(), finished, asked, seconds);
    EXPECT_TRUE(after.saves);
    return after.ends;
  };
  EXPECT_EQ(end(100, false, 0), Ending::kDone);
  EXPECT_EQ(end(7, true, 0), Ending::kStopped);
  EXPECT_EQ(end(7, false, 61), Ending::kTimeUp);
  EXPECT_EQ(end(100, true, 61), Ending::kDone);
  EXPECT_FALSE(after_step(settings(), 7, false, 59).ends);
}

}  // namespace
}  // namespace corral::train
