// Runs that continue from a Megatron folder with its optimizer state, and runs that save optimizer state in Megatron's format.
#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "plugins/checkpoint/megatron/metadata.h"
#include "tests/program/model_folder.h"
#include "tests/program/run_program.h"

namespace {
namespace fs = std::filesystem;
using corral::megatron::Metadata;

std::vector<double> values(const std::string& raw) {
  const std::string bytes = raw.substr(raw.find(']') + 1);
  const bool half = raw.starts_with("\"BF16\"");
  std::vector<double> all(bytes.size() / (half ? 2 : 4));
  for (size_t i = 0; i < all.size(); ++i) {
    float x = 0;
    std::memcpy(reinterpret_cast<char*>(&x) + (half ? 2 : 0), bytes.data() + i * (half ? 2 : 4), half ? 2 : 4);
    all[i] = static_cast<double>(x);
  }
  return all;
}

class MegatronOptimizer : public ProgramTest {
 protected:
  static std::string twin(const std::string& name) { return CORRAL_SOURCE_DIR "/tests/golden/megatron/" + name + "/hf"; }
  // A copy of a Megatron Core golden with the config.json of the same model in Hugging Face's format.
  std::string megatron(const std::string& name) const {
    const std::string folder = *this / name;
    fs::copy(CORRAL_SOURCE_DIR "/tests/golden/megatron/" + name + "/mcore", folder, fs::copy_options::recursive);
    fs::create_directory(folder + "/iter_0000500/hf");
    fs::copy(twin(name) + "/config.json", folder + "/iter_0000500/hf/config.json");
    return folder;
  }
  std::string run(const std::string& dir) const {
    return " --data " + rows(24, 38) + " --seq-length 16 --micro-batch-size 2 --lr 1e-3 --dir " + (*this / dir) +
           " --set train.eval_interval=0 optimizer.lr_decay_style=constant ";
  }
};

// The golden has seen 500 steps. Its moments are x/2 and x*x, and its masters x, where x is the weight. Step 501 is computed by hand.
TEST_F(MegatronOptimizer, TheNextStepIsThatOfAdamWWithTheMomentsAndStepCountOfTheFolder) {
  const Shown gradients = corral("eval --hf-model " + twin("optimizer") + " --data " + rows(24, 38) +
                                 " --seq-length 16 --micro-batch-size 4 --set data.plugin=text --gradients " + (*this / "g.safetensors"));
  ASSERT_EQ(gradients.code, 0) << gradients.err;
  fs::create_directory(*this / "g");
  fs::rename(*this / "g.safetensors", *this / "g/g.safetensors");
  const Shown next = corral("pretrain --load " + megatron("optimizer") + run("a") + "--train-iters 501 --global-batch-size 24");
  ASSERT_EQ(next.code, 0) << next.err;
  EXPECT_NE(next.err.find("after 500 steps, with the optimizer's"), std::string::npos) << next.err;
  EXPECT_EQ(next.err.find("only weights"), std::string::npos) << next.err;
  auto weights = raw_tensors(*this / "a/checkpoints/iter_0000501"), state = raw_tensors(*this / "a/checkpoints/iter_0000501/state"),
       grads = raw_tensors(*this / "g");
  size_t checked = 0;
  for (const auto& [name, raw] : raw_tensors(twin("optimizer"))) {
    const std::vector<double> x = values(raw), p = values(weights.at(name)), m = values(state.at("exp_avg." + name)),
                              v = values(state.at("exp_avg_sq." + name)), g = values(grads.at(name));
    const double decay = raw.substr(0, raw.find(']')).find(',') == std::string::npos ? 0.0 : 0.1;
    ASSERT_EQ(x.size(), p.size());
    for (size_t i = 0; i < x.size(); ++i) {
      const double moment = 0.9 * x[i] / 2 + 0.1 * g[i], square = 0.95 * x[i] * x[i] + 0.05 * g[i] * g[i];
      const double update = moment / (1 - std::pow(0.9, 501)) / (std::sqrt(square / (1 - std::pow(0.95, 501))) + 1e-8);
      ASSERT_NEAR(m[i], moment, 1e-6) << name << " " << i;
      ASSERT_NEAR(v[i], square, 1e-6) << name << " " << i;
      ASSERT_NEAR(p[i], x[i] - 1e-3 * (update + decay * x[i]), 2e-6) << name << " " << i;
      ++checked;
    }
  }
  EXPECT_GT(checked, 3000u);
}

// A run is cut in two: the second half loads the Megatron folder alone, without Corral's own files, and saves in Hugging Face's format.
// Its bits are those of the uncut run.
TEST_F(MegatronOptimizer, ARunContinuesBitForBitFromTheMegatronFolderAlone) {
  for (const std::string precision : {"fp32", "bf16"}) {
    const Shown whole = corral("pretrain" + run("whole_" + precision) + "train.save_interval=2 precision.plugin=" + precision +
                               " --train-iters 4 --global-batch-size 4 --pretrained-checkpoint " + golden("llama32"));
    ASSERT_EQ(whole.code, 0) << whole.err;
    const Shown saved =
        corral("pretrain" + run("mg_" + precision) + "train.save_interval=2 precision.plugin=" + precision +
               " --train-iters 4 --global-batch-size 4 --checkpoint-format megatron --pretrained-checkpoint " + golden("llama32"));
    ASSERT_EQ(saved.code, 0) << saved.err;
    const std::string folder = *this / "mg_" + precision + "/checkpoints/iter_0000002", alone = *this / "alone_" + precision;
    EXPECT_FALSE(fs::exists(folder + "/state/.metadata"));
    fs::create_directory(alone);
    fs::copy(folder, alone + "/iter_0000002", fs::copy_options::recursive);
    fs::remove_all(alone + "/iter_0000002/state");
    fs::remove(alone + "/iter_0000002/MANIFEST.json");
    write_text(alone + "/latest_checkpointed_iteration.txt", "2");
    const Shown rest = corral("pretrain --load " + alone + run("rest_" + precision) + "precision.plugin=" + precision +
                              " --train-iters 4 --global-batch-size 4");
    ASSERT_EQ(rest.code, 0) << rest.err;
    const std::string end = "/checkpoints/iter_0000004";
    const auto state = raw_tensors(*this / "whole_" + precision + end + "/state");
    EXPECT_EQ(raw_tensors(*this / "rest_" + precision + end), raw_tensors(*this / "whole_" + precision + end));
    EXPECT_EQ(raw_tensors(*this / "rest_" + precision + end + "/state"), state);
    EXPECT_EQ(state.contains("master.model.norm.weight"), precision == "bf16");
    // --load also continues from a checkpoint in Corral's own format.
    const Shown own = corral("pretrain --load " + (*this / "whole_" + precision + "/checkpoints/iter_0000002") + run("own_" + precision) +
                             "precision.plugin=" + precision + " --train-iters 4 --global-batch-size 4");
    ASSERT_EQ(own.code, 0) << own.err;
    EXPECT_EQ(raw_tensors(*this / "own_" + precision + end), raw_tensors(*this / "whole_" + precision + end));
  }
}

TEST_F(MegatronOptimizer, AStateThatDoesNotFitItsWeightsIsRefusedNamingTheTensor) {
  const std::string folder = megatron("optimizer"), file = folder + "/iter_0000500/.metadata", good = text_of(file);
  const auto refusal = [&](const std::function<void(Metadata&)>& change) {
    Metadata m = corral::megatron::read_metadata(good, "here");
    change(m);
    write_text(file, corral::megatron::write_metadata(m));
    const Shown refused = corral("pretrain --load " + folder + run("x") + "--train-iters 502 --global-batch-size 4");
    EXPECT_EQ(refused.code, 2) << refused.err;
    EXPECT_FALSE(fs::exists(*this / "x"));
    return refused.err;
  };
  const auto at = [](Metadata& m, const std::string& name) -> corral::megatron::DistTensor& {
    return *std::find_if(m.tensors.begin(), m.tensors.end(), [&](const auto& t) { return t.name == name; });
  };
  const std::string norm = "optimizer.state.exp_avg.decoder.final_layernorm.weight",
                    second = "optimizer.state.exp_avg_sq.decoder.final_layernorm.weight",
                    head = "optimizer.state.exp_avg.output_layer.weight";
  EXPECT_NE(refusal([&](Metadata& m) {
              std::erase_if(m.tensors, [&](const auto& t) { return t.name == head; });
            }).find("has no exp_avg of tensor \"output_layer.weight\""),
            std::string::npos);
  std::string text = refusal([&](Metadata& m) { std::swap(at(m, norm).name, at(m, head).name); });
  EXPECT_TRUE(text.find("tensor \"" + norm + "\" has shape [64, 16], but") != std::string::npos ||
              text.find("tensor \"" + head + "\" has shape [16], but") != std::string::npos)
      << text;
  text = refusal([&](Metadata& m) { at(m, norm).name = "optimizer.state.exp_avg.decoder.other.weight"; });
  EXPECT_NE(text.find("\"optimizer.state.exp_avg.decoder.other.weight\" belongs to \"decoder.other.weight\""), std::string::npos) << text;
  text = refusal([&](Metadata& m) { at(m, second).name = "chained_1." + norm; });
  EXPECT_NE(text.find("and so does another one"), std::string::npos) << text;
  text = refusal(
      [&](Metadata& m) { std::erase_if(m.tensors, [](const auto& t) { return t.name.starts_with("optimizer.state.exp_avg_sq."); }); });
  EXPECT_NE(text.find("has no exp_avg_sq."), std::string::npos) << text;
  text = refusal([&](Metadata& m) {
    for (auto& t : m.tensors)
      if (t.name.starts_with("optimizer.state.exp_avg_sq.")) t.name.replace(16, 10, "momentum");
  });
  EXPECT_NE(text.find("its optimizer has momentum of each weight"), std::string::npos) << text;
  // The step count of the optimizer must equal the iteration in the folder's name.
  write_text(file, good);
  fs::rename(folder + "/iter_0000500", folder + "/iter_0000400");
  const Shown lies = corral("pretrain --load " + folder + "/iter_0000400" + run("x") + "--train-iters 502");
  EXPECT_EQ(lies.code, 2);
  EXPECT_NE(lies.err.find("has seen 500 updates, but the iteration in the folder's name is 400"), std::string::npos) << lies.err;
}

TEST_F(MegatronOptimizer, WithAnotherFormatOfStateOnlyWeightsAreTakenAndTheProgramSaysSo) {
  const std::string folder = megatron("buckets");
  const Shown refused = corral("pretrain --load " + folder + run("x") + "--train-iters 502");
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("only its weights can be loaded: its optimizer state is dp_reshardable"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("--pretrained-checkpoint " + folder), std::string::npos) << refused.err;
  EXPECT_FALSE(fs::exists(*this / "x"));
  const Shown weights = corral("pretrain --pretrained-checkpoint " + folder + run("w") + "--train-iters 1 --global-batch-size 2");
  EXPECT_EQ(weights.code, 0) << weights.err;
  EXPECT_NE(weights.err.find("only weights are loaded, without 3 tensors of the optimizer; its optimizer state is dp_reshardable"),
            std::string::npos)
      << weights.err;
  const Shown none = corral("pretrain --load " + golden("llama32") + run("x") + "--train-iters 502");
  EXPECT_EQ(none.code, 2);
  EXPECT_NE(none.err.find("has no training state"), std::string::npos) << none.err;
  // Where --load could continue with the optimizer state, the message says so.
  const Shown could =
      corral("pretrain --pretrained-checkpoint " + megatron("optimizer") + run("c") + "--train-iters 1 --global-batch-size 2");
  EXPECT_NE(could.err.find("only weights are loaded, without 27 tensors"), std::string::npos) << could.err;
  EXPECT_NE(could.err.find("would continue after its 500 steps"), std::string::npos) << could.err;
  const Shown both = corral("pretrain --load " + folder + " --pretrained-checkpoint " + folder + run("x"));
  EXPECT_EQ(both.code, 2);
  EXPECT_NE(both.err.find("give one of them"), std::string::npos) << both.err;
  const Shown done = corral("pretrain --load " + (*this / "optimizer") + run("x") + "--train-iters 500");
  EXPECT_EQ(done.code, 2);
  EXPECT_NE(done.err.find("set --train-iters above them"), std::string::npos) << done.err;
}

}  // namespace
