// Base of tests that run on the device plugin CORRAL_DEVICE.
#pragma once

#include <gtest/gtest.h>

#include "tests/conformance/load_device.h"

namespace corral {

// If CORRAL_CPU names an instruction set that this machine lacks, the test is skipped with the device's own message.
class OnDevice : public testing::Test {
 protected:
  static std::string lacking() {
    try {
      load_device(CORRAL_DEVICE);
      return "";
    } catch (const Error& e) {
      if (e.exit_code() != 3) throw;
      return e.what();
    }
  }
  void SetUp() override {
    static const std::string reason = lacking();
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
};

}  // namespace corral
