// bfloat16 against the oracle's definition. A limit is three times the difference between two orders of summation, as the oracle measured
// it.
#include "tests/golden_runs/golden_runs.h"

namespace corral {
namespace {

TEST_F(GoldenRuns, Bfloat16GivesTheLogitsAndGradientsOfItsDefinitionAndNotThoseOfFloat32) {
  expect_forward("llama3", "bf16", {0.021, 0.021, 3.9e-3});
  const std::vector<double> in_bf16 = logits("logits");
  ASSERT_EQ(evaluate("llama3", read_tensor_file(kGolden + "expected/llama3/forward_bf16.safetensors"), "fp32"), 0) << text("err");
  const std::vector<double> in_fp32 = logits("logits");
  EXPECT_GT(difference(in_bf16, in_fp32), 1e-3 * largest(in_fp32));
}

TEST_F(GoldenRuns, Bfloat16TrainsAsItsDefinitionSays) {
  expect_training("llama32", "bf16", 1.2e-2, 4.5e-3);
  const std::string end = path("run") + "/checkpoints/iter_0000008/";
  EXPECT_EQ(read_tensor_file(end + "model.safetensors").begin()->second.dtype, "BF16");
  const auto golden = read_tensor_file(kGolden + "expected/llama32/train_bf16.safetensors"),
             begin = read_tensor_file(kGolden + "models/llama32/model.safetensors"),
             state = read_tensor_file(end + "state/optimizer.safetensors");
  double change = 0, error = 0;
  for (const auto& [name, tensor] : golden) {
    if (!name.starts_with("final.")) continue;
    const FileTensor &from = begin.at(name.substr(6)), &master = state.at("master." + name.substr(6));
    EXPECT_EQ(master.dtype, "F32");
    for (size_t i = 0; i < tensor.values.size(); ++i) {
      change += std::abs(tensor.values[i] - from.values[i]);
      error += std::abs(master.values[i] - tensor.values[i]);
    }
  }
  EXPECT_GT(change, 0);
  EXPECT_LE(error, 0.03 * change);
}

}  // namespace
}  // namespace corral
