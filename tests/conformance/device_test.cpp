// A device against the float64 reference of every operation, on the operations' own cases.
#include <gtest/gtest.h>

#include <algorithm>

#include "bin/validate/device_conformance.h"
#include "tests/conformance/on_device.h"

namespace corral {
namespace {

const std::shared_ptr<const DeviceHandle>& device() {
  static const auto loaded = load_device(CORRAL_DEVICE);
  return loaded;
}

class EachOp : public OnDevice, public testing::WithParamInterface<const graph::OpDef*> {};
class Conformance : public OnDevice {};

TEST_P(EachOp, EqualsTheReference) {
  const validate::Conformance c = validate::check_operation(device(), *GetParam());
  for (const std::string& f : c.failures) ADD_FAILURE() << f;
  EXPECT_GE(c.runs, GetParam()->cases.size());
  RecordProperty("largest_error", format("{}", c.largest_error));
}

// Conversions between ranks are left out: a collective runs them, not a device.
std::vector<const graph::OpDef*> ops_of_a_device() {
  std::vector<const graph::OpDef*> ops;
  for (const graph::OpDef* def : graph::all_ops())
    if (!def->exchange) ops.push_back(def);
  return ops;
}

INSTANTIATE_TEST_SUITE_P(Device, EachOp, testing::ValuesIn(ops_of_a_device()), [](const auto& info) { return info.param->name; });

// The check itself can fail: against another definition of swiglu the device is wrong.
TEST_F(Conformance, SeesADeviceThatComputesSomethingElse) {
  graph::OpDef other = graph::find_op("swiglu");
  other.reference = [](const graph::RefCall& op) {
    const auto gate = op.in("gate"), up = op.in("up");
    const auto y = op.out("y");
    for (size_t i = 0; i < y.size(); ++i) y[i] = gate[i] * up[i];
  };
  EXPECT_FALSE(validate::check_operation(device(), other).failures.empty());
}

TEST_F(Conformance, SaysWhenAnOperationIsNotOffered) {
  graph::OpDef unknown = graph::find_op("sum");
  unknown.name = "no_such_operation";
  const validate::Conformance c = validate::check_operation(device(), unknown);
  EXPECT_EQ(c.runs, 0u);
  EXPECT_FALSE(c.failures.empty());
}

}  // namespace
}  // namespace corral
