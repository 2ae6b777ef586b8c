// finetune, merge, export, eval and generate with adapters, compared with numbers that peft computed on the same model.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "tests/golden_runs/golden_runs.h"

namespace {
namespace fs = std::filesystem;
using corral::difference;
using corral::largest;
using nlohmann::json;
using Tensors = std::map<std::string, FileTensor>;

const std::string kModel = CORRAL_SOURCE_DIR "/tests/golden/models/llama3";
const std::string kExpected = CORRAL_SOURCE_DIR "/tests/golden/expected/llama3/";

// peft's training of an adapter over kModel: its start, twenty steps, its end.
struct Golden {
  explicit Golden(const std::string& name)
      : start(kExpected + name + "_start"),
        end(kExpected + name + "_end"),
        tensors(read_tensor_file(kExpected + name + ".safetensors")),
        facts(corral::read_json(kExpected + name + ".json")),
        method(facts["method"]) {}

  size_t modules() const {
    size_t n = 0;
    for (const auto& [name, tensor] : read_tensor_file(start + "/adapter_model.safetensors")) n += name.ends_with("lora_A.weight");
    return n;
  }

  std::string start, end;
  Tensors tensors;
  json facts;
  std::string method;
};
// Adapters of all modules, with rsLoRA's scale, of some modules, and with ranks above the sides of a matrix.
const std::vector<std::string> kGoldens{"lora", "dora", "lora_rslora", "dora_partial", "lora_wide", "dora_wide"};

class PeftRuns : public corral::GoldenRuns {
 protected:
  static std::string content(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void expect_refused(const std::string& words, const std::string& sentence) const {
    EXPECT_EQ(corral(words), 2) << words << "\n" << text("err");
    EXPECT_NE(text("err").find(sentence), std::string::npos) << text("err");
  }

  // Writes the sequences of the first `batches` steps of a golden.
  void write_data(const Tensors& golden, size_t batches) {
    rows_ = static_cast<size_t>(golden.at("tokens").shape[1]);
    length_ = static_cast<size_t>(golden.at("tokens").shape[2]) + 1;
    data(golden, false, batches * rows_);
  }

  std::string eval(const std::string& model) const {
    return "eval --checkpoint " + model + " --data " + path("data.jsonl") + " --seq-length " + std::to_string(length_) +
           " --json --set device.threads=1 --logits " + path("logits") + " ";
  }
  // A command with the settings of the goldens. If `rest` begins with --adapter, that adapter brings its own dim and alpha.
  std::string finetune(const std::string& run, const std::string& rest, const std::string& peft = "lora", int steps = 20) const {
    const std::string lists = peft == "none" || rest.starts_with("--adapter") ? "" : " peft.dim=4 peft.alpha=8";
    return "finetune --pretrained-checkpoint " + kModel + " --data " + path("data.jsonl") + " --dir " + path(run) + " --peft " + peft +
           " --seq-length " + std::to_string(length_) + " --global-batch-size " + std::to_string(rows_) + " --train-iters " +
           std::to_string(steps) +
           " --lr 0.003 --min-lr 0.0003 --set device.threads=1 data.split=100,0,0 data.shuffle=false train.log_interval=1 "
           "optimizer.lr_warmup_iters=2"
           " optimizer.lr_decay_iters=20 optimizer.weight_decay=0.1 optimizer.adam_beta2=0.95 optimizer.adam_eps=1e-5 "
           "optimizer.clip_grad=1" +
           lists + " " + rest;
  }
  std::vector<double> losses(const std::string& run) const {
    std::ifstream file(path(run) + "/metrics.jsonl");
    std::vector<double> all;
    for (std::string line; std::getline(file, line);) all.push_back(json::parse(line)["loss"]);
    return all;
  }
  std::string last(const std::string& run, int steps = 20) const {
    char name[32];
    std::snprintf(name, sizeof name, "/checkpoints/iter_%07d", steps);
    return path(run) + name;
  }

  void expect_merged(const std::string& folder, const Golden& golden, double limit) const {
    const Tensors merged = read_tensor_file(folder + "/model.safetensors");
    size_t compared = 0;
    for (const auto& [name, tensor] : golden.tensors) {
      if (!name.starts_with("merged.")) continue;
      ++compared;
      EXPECT_LE(difference(merged.at(name.substr(7)).values, tensor.values), limit * largest(tensor.values)) << name;
    }
    EXPECT_EQ(compared, golden.modules());
  }

  size_t rows_ = 2, length_ = 33;
};

TEST_F(PeftRuns, LogitsAndGradientsOfAnAdapterThatPeftMadeEqualPefts) {
  for (const std::string& name : kGoldens) {
    SCOPED_TRACE(name);
    const Golden golden(name);
    const auto expect_logits = [&](const char* of) {
      EXPECT_LE(difference(logits("logits"), golden.tensors.at(of).values), 1e-5 * largest(golden.tensors.at(of).values)) << of;
    };
    write_data(golden.tensors, 1);
    ASSERT_EQ(corral(eval(kModel) + "--adapter " + golden.start + " --gradients " + path("gradients")), 0) << text("err");
    expect_logits("logits");
    const Tensors gradients = read_tensor_file(path("gradients"));
    size_t compared = 0;
    for (const auto& [tensor_name, tensor] : golden.tensors) {
      if (!tensor_name.starts_with("grad.")) continue;
      ++compared;
      ASSERT_TRUE(gradients.contains(tensor_name.substr(5))) << tensor_name;
      EXPECT_LE(difference(gradients.at(tensor_name.substr(5)).values, tensor.values), 1e-5 * largest(tensor.values)) << tensor_name;
    }
    EXPECT_EQ(compared, gradients.size());
    EXPECT_EQ(compared, golden.modules() * (golden.method == "dora" ? 3 : 2));
    ASSERT_EQ(corral(eval(kModel) + "--adapter " + golden.end), 0) << text("err");
    expect_logits("logits_end");
  }
}

TEST_F(PeftRuns, TwentyStepsTheirExportAndItsMergeEqualPefts) {
  for (const std::string& name : kGoldens) {
    SCOPED_TRACE(name);
    const Golden golden(name);
    write_data(golden.tensors, 20);
    ASSERT_EQ(corral(finetune(name, "--adapter " + golden.start, golden.method)), 0) << text("err");
    const std::vector<double> got = losses(name);
    ASSERT_EQ(got.size(), 20u);
    for (size_t i = 0; i < 20; ++i) EXPECT_NEAR(got[i], golden.facts["losses"][i].get<double>(), 5e-5) << "step " << i + 1;
    ASSERT_EQ(corral("merge --checkpoint " + path(name) + " --hf-path " + path(name + "_merged")), 0) << text("err");
    expect_merged(path(name + "_merged"), golden, 2e-5);
    ASSERT_EQ(corral("export --checkpoint " + path(name) + " --hf-path " + path(name + "_adapter")), 0) << text("err");
    const Tensors expected = read_tensor_file(golden.end + "/adapter_model.safetensors");
    const json peft = json::parse(content(golden.end + "/adapter_config.json"));
    for (const std::string& folder : {last(name), path(name + "_adapter")}) {
      const Tensors adapter = read_tensor_file(folder + "/adapter_model.safetensors");
      EXPECT_EQ(adapter.size(), expected.size());
      for (const auto& [tensor_name, tensor] : expected) {
        ASSERT_TRUE(adapter.contains(tensor_name)) << tensor_name;
        EXPECT_LE(difference(adapter.at(tensor_name).values, tensor.values), 5e-5) << tensor_name;
      }
      const json config = json::parse(content(folder + "/adapter_config.json"));
      for (const char* key : {"r", "lora_alpha", "use_rslora", "use_dora"}) EXPECT_EQ(config[key], peft[key]) << key;
      ASSERT_EQ(config["target_modules"].size(), peft["target_modules"].size()) << config;
      for (size_t i = 0; i < peft["target_modules"].size(); ++i)
        EXPECT_TRUE(config["target_modules"][i].get<std::string>().ends_with(peft["target_modules"][i].get<std::string>())) << config;
    }
    write_data(golden.tensors, 1);
    const std::vector<double>& end = golden.tensors.at("logits_end").values;
    // The run, its last checkpoint, its export and its merge compute the same function.
    for (const std::string& model : {path(name), last(name), kModel + " --adapter " + path(name + "_adapter"), path(name + "_merged")}) {
      ASSERT_EQ(corral(eval(model)), 0) << text("err");
      EXPECT_LE(difference(logits("logits"), end), 5e-5 * largest(end)) << model;
    }
  }
}

TEST_F(PeftRuns, MergingAGivenAdapterEqualsPeftsMerge) {
  for (const std::string& name : kGoldens) {
    SCOPED_TRACE(name);
    const Golden golden(name);
    const std::string words = "merge --hf-model " + kModel + " --adapter " + golden.end + " --hf-path ";
    ASSERT_EQ(corral(words + path(name)), 0) << text("err");
    EXPECT_NE(text("out").find("largest change"), std::string::npos) << text("out");
    expect_merged(path(name), golden, 1e-6);
    if (golden.facts["targets"].size() < 7) continue;
    ASSERT_EQ(corral(words + path(name + "_bf16") + " --dtype bf16"), 0) << text("err");
    EXPECT_EQ(read_tensor_file(path(name + "_bf16") + "/model.safetensors").begin()->second.dtype, "BF16");
    EXPECT_NE(text(name + "_bf16/config.json").find("bfloat16"), std::string::npos);
    expect_refused(words + path(name), "is not empty");
  }
}

// `logits` and `gradients` are how far peft in bf16 is from peft in float32 on these models; peft_compare.py measures them anew. Another
// order of roundings may add half as much again; more would be another function.
TEST_F(PeftRuns, InBf16LogitsAndGradientsOfAnAdapterAreAsFarFromFloat32AsPeftsAre) {
  struct Far {
    const char* method;
    double logits, gradients;
  };
  for (const Far& peft : {Far{"lora", 0.027, 0.045}, Far{"dora", 0.046, 0.088}}) {
    const Tensors golden = read_tensor_file(kExpected + peft.method + ".safetensors");
    write_data(golden, 1);
    ASSERT_EQ(corral(eval(kModel) + "--precision bf16 --adapter " + kExpected + peft.method + "_start --gradients " + path("gradients")), 0)
        << text("err");
    const std::vector<double>& expected = golden.at("logits").values;
    const double far = difference(logits("logits"), expected) / largest(expected);
    EXPECT_LE(far, 1.5 * peft.logits) << peft.method;
    EXPECT_GE(far, 1e-3) << "this was not computed in bf16";
    for (const auto& [name, tensor] : read_tensor_file(path("gradients"))) {
      const std::vector<double>& values = golden.at("grad." + name).values;
      EXPECT_LE(difference(tensor.values, values), 1.5 * peft.gradients * largest(values)) << name;
    }
  }
}

// The product of the two matrices, the sum and dora's row norms are computed in float32 or wider, then rounded once.
TEST_F(PeftRuns, AMergeIntoBf16WeightsIsComputedInFloat32AndRoundedOnce) {
  const std::string base = CORRAL_SOURCE_DIR "/tests/golden/models/llama31";
  write_data(read_tensor_file(kExpected + "lora.safetensors"), 2);
  std::string words = finetune("run", "peft.target_modules=down_proj --precision bf16", "lora", 4);
  words.replace(words.find(kModel), kModel.size(), base);
  ASSERT_EQ(corral(words), 0) << text("err");
  ASSERT_EQ(corral("merge --checkpoint " + path("run") + " --hf-path " + path("own")), 0) << text("err");
  ASSERT_EQ(corral("merge --checkpoint " + path("run") + " --hf-path " + path("wide") + " --dtype fp32"), 0) << text("err");
  const Tensors adapter = read_tensor_file(last("run", 4) + "/adapter_model.safetensors"),
                wide = read_tensor_file(path("wide") + "/model.safetensors"), own = read_tensor_file(path("own") + "/model.safetensors");
  Tensors before;
  for (const auto& entry : fs::directory_iterator(base))
    if (entry.path().extension() == ".safetensors") before.merge(read_tensor_file(entry.path().string()));
  for (int layer = 0; layer < 2; ++layer) {
    const std::string name = "model.layers." + std::to_string(layer) + ".mlp.down_proj";
    const FileTensor &a = adapter.at("base_model.model." + name + ".lora_A.weight"),
                     &b = adapter.at("base_model.model." + name + ".lora_B.weight");
    std::vector<double> expected = before.at(name + ".weight").values;
    const auto out = static_cast<size_t>(b.shape[0]), rank = static_cast<size_t>(b.shape[1]), in = static_cast<size_t>(a.shape[1]);
    double most = 0;
    for (size_t o = 0; o < out; ++o)
      for (size_t i = 0; i < in; ++i) {
        double change = 0;
        for (size_t r = 0; r < rank; ++r) change += 2 * b.values[o * rank + r] * a.values[r * in + i];
        expected[o * in + i] += change;
        most = std::max(most, std::abs(change));
      }
    EXPECT_GT(most, 1e-4);
    EXPECT_EQ(wide.at(name + ".weight").dtype, "F32");
    EXPECT_LE(difference(wide.at(name + ".weight").values, expected), 1e-6 * largest(expected));
    EXPECT_EQ(own.at(name + ".weight").dtype, "BF16");
    for (size_t i = 0; i < expected.size(); ++i) {
      const double w = wide.at(name + ".weight").values[i];
      // Half a unit in the last place of bf16's eight significant bits.
      EXPECT_LE(std::abs(own.at(name + ".weight").values[i] - w), std::ldexp(1.0, std::ilogb(w == 0 ? 1e-30 : w) - 8)) << i;
    }
  }
  EXPECT_EQ(own.at("model.norm.weight").values, before.at("model.norm.weight").values);
}

TEST_F(PeftRuns, AnEmbeddingAndItsTiedHeadStayOneWhenTrainedAsAWhole) {
  const std::string base = CORRAL_SOURCE_DIR "/tests/golden/models/llama32";
  write_data(read_tensor_file(kExpected + "lora.safetensors"), 2);
  for (const std::string module : {"embed_tokens", "lm_head"}) {
    std::string words = finetune(module, "peft.modules_to_save=" + module, "lora", 3);
    words.replace(words.find(kModel), kModel.size(), base);
    ASSERT_EQ(corral(words), 0) << text("err");
    const Tensors adapter = read_tensor_file(last(module, 3) + "/adapter_model.safetensors");
    const FileTensor& embedding = adapter.at("base_model.model.model.embed_tokens.weight");
    EXPECT_EQ(embedding.values, adapter.at("base_model.model.lm_head.weight").values);
    EXPECT_EQ(json::parse(content(last(module, 3) + "/adapter_config.json"))["modules_to_save"], (json{"embed_tokens", "lm_head"}));
    ASSERT_EQ(corral("merge --checkpoint " + path(module) + " --hf-path " + path(module + "_merged")), 0) << text("err");
    const Tensors merged = read_tensor_file(path(module + "_merged") + "/model.safetensors");
    EXPECT_EQ(merged.at("model.embed_tokens.weight").values, embedding.values);
    EXPECT_NE(merged.at("model.embed_tokens.weight").values,
              read_tensor_file(base + "/model.safetensors").at("model.embed_tokens.weight").values);
    EXPECT_FALSE(merged.contains("lm_head.weight"));
  }
}

TEST_F(PeftRuns, AnInterruptedRunEndsWithTheSameFiles) {
  write_data(read_tensor_file(kExpected + "lora.safetensors"), 20);
  for (const std::string method : {"lora", "dora", "none"})
    for (const std::string precision : {"fp32", "bf16"}) {
      const std::string rest = "recompute.granularity=full train.micro_batch_size=1 train.save_interval=5 data.shuffle=true" +
                               std::string(method == "none" ? "" : " peft.dropout=0.1") + " --precision " + precision;
      const auto words = [&](const std::string& run) {
        std::string w = finetune(run, rest, method, 12);
        w.replace(w.find("data.shuffle=false "), 19, "");
        return w;
      };
      const std::string whole = "whole" + method + precision, parts = "parts" + method + precision;
      ASSERT_EQ(corral(words(whole)), 0) << text("err");
      ASSERT_EQ(corral(words(parts) + " --set train.exit_duration_in_mins=0.0000001"), 0) << text("err");
      ASSERT_FALSE(fs::exists(last(parts, 12)));
      ASSERT_EQ(corral("finetune --resume --dir " + path(parts) + " --set train.exit_duration_in_mins=0"), 0) << text("err");
      size_t files = 0;
      for (const auto& entry : fs::recursive_directory_iterator(last(whole, 12))) {
        if (!entry.is_regular_file()) continue;
        ++files;
        EXPECT_EQ(content(entry.path()), content(fs::path(last(parts, 12)) / fs::relative(entry.path(), last(whole, 12)))) << entry.path();
      }
      EXPECT_GE(files, 5u);
    }
}

TEST_F(PeftRuns, TheFirstLossIsTheModelsAndAFusedLayerMayHaveOneFirstMatrix) {
  write_data(read_tensor_file(kExpected + "lora.safetensors"), 1);
  ASSERT_EQ(corral(eval(kModel)), 0) << text("err");
  const double base = json::parse(text("out"))["loss"];
  for (const std::string method : {"lora", "dora"}) {
    ASSERT_EQ(corral(finetune(method, "peft.target_modules=linear_qkv,linear_fc2 peft.use_rslora=true peft.modules_to_save=lm_head,norms",
                              method, 5)),
              0)
        << text("err");
    EXPECT_NEAR(losses(method)[0], base, 2e-6);
    EXPECT_LT(losses(method)[4], losses(method)[0]);
    const Tensors adapter = read_tensor_file(last(method, 5) + "/adapter_model.safetensors");
    const std::string attention = "base_model.model.model.layers.0.self_attn.";
    EXPECT_EQ(adapter.at(attention + "q_proj.lora_A.weight").values, adapter.at(attention + "v_proj.lora_A.weight").values);
    EXPECT_TRUE(adapter.contains("base_model.model.lm_head.weight"));
    const json config = json::parse(content(last(method, 5) + "/adapter_config.json"));
    EXPECT_EQ(config["target_modules"], (json{"down_proj", "k_proj", "q_proj", "v_proj"}));
    EXPECT_EQ(config["use_rslora"], true);
    EXPECT_EQ(config["use_dora"], method == "dora");
    EXPECT_EQ(config["lora_alpha"], 8);
    // The adapter gives the same loss as one matrix per fused layer and as separate adapters.
    ASSERT_EQ(corral(eval(path(method))), 0) << text("err");
    const double loss = json::parse(text("out"))["loss"];
    ASSERT_EQ(corral(eval(kModel) + "--adapter " + last(method, 5) + " --set peft.target_modules=linear_qkv,linear_fc2"), 0) << text("err");
    EXPECT_NEAR(json::parse(text("out"))["loss"].get<double>(), loss, 1e-6);
    ASSERT_EQ(corral("merge --checkpoint " + path(method) + " --hf-path " + path(method + "_merged")), 0) << text("err");
    ASSERT_EQ(corral(eval(path(method + "_merged"))), 0) << text("err");
    EXPECT_NEAR(json::parse(text("out"))["loss"].get<double>(), loss, 1e-5);
  }
}

TEST_F(PeftRuns, SeparateAdaptersDoNotBecomeFusedOnes) {
  write_data(read_tensor_file(kExpected + "lora.safetensors"), 1);
  expect_refused(eval(kModel) + "--adapter " + kExpected + "lora_start --set peft.target_modules=linear_qkv,o_proj,linear_fc1,linear_fc2",
                 "two that differ cannot become one");
}

TEST_F(PeftRuns, GeneratesTheSameTextWithAnAdapterAndWithItsMerge) {
  std::ofstream(path("prompts")) << "{\"input_ids\": [5, 6, 7]}\n{\"input_ids\": [9, 250, 31, 4, 8]}\n";
  for (const std::string method : {"lora", "dora"}) {
    const std::string adapter = " --adapter " + kExpected + method + "_end";
    ASSERT_EQ(corral("merge --hf-model " + kModel + adapter + " --hf-path " + path(method)), 0) << text("err");
    const auto generate = [&](const std::string& model) {
      EXPECT_EQ(corral("generate --checkpoint " + model + " --prompts " + path("prompts") +
                       " --max-new-tokens 20 --ignore-eos --json --set device.threads=1"),
                0)
          << text("err");
      return text("out");
    };
    const std::string with = generate(kModel + adapter);
    EXPECT_EQ(with, generate(path(method)));
    EXPECT_NE(with, generate(kModel));
  }
}

TEST_F(PeftRuns, AnAdapterIsRefusedByAnotherModelAndAnotherShape) {
  write_data(read_tensor_file(kExpected + "lora.safetensors"), 2);
  ASSERT_EQ(corral(finetune("run", "", "lora", 2)), 0) << text("err");
  // A model of the same shapes with one weight changed.
  fs::copy(kModel, path("other"), fs::copy_options::recursive);
  {
    std::fstream file(path("other") + "/model-00002-of-00003.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(-1, std::ios::end);
    const char before = static_cast<char>(file.get());
    file.seekp(-1, std::ios::end);
    file.put(static_cast<char>(before ^ 1));
  }
  expect_refused(eval(path("other")) + "--adapter " + path("run"), "was trained for another model than " + path("other"));
  expect_refused("finetune --resume --dir " + path("run") + " --train-iters 4 --pretrained-checkpoint " + path("other"),
                 "was trained for another model");
  ASSERT_EQ(corral("init --model llama3/8b --set model.num_hidden_layers=2 model.hidden_size=32 model.intermediate_size=48"
                   " model.num_attention_heads=2 model.num_key_value_heads=1 model.head_dim=16 model.vocab_size=320 --hf-path " +
                   path("narrow")),
            0)
      << text("err");
  expect_refused(eval(path("narrow")) + "--adapter " + kExpected + "lora_start", "has shape");
  expect_refused("merge --hf-model " + path("narrow") + " --adapter " + kExpected + "lora_start --hf-path " + path("merged"),
                 kExpected + "lora_start: tensor \"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight\"");
  EXPECT_FALSE(fs::exists(path("merged")));
  expect_refused(eval(kModel) + "--adapter " + kModel, "is not the folder of an adapter");
  fs::copy(kExpected + "lora_start", path("lost"));
  expect_refused(eval(path("lost")), "is an adapter for base, which was not found");
  expect_refused(eval(path("run")) + "--peft dora", "--peft dora does not recognize this adapter");
  for (const char* words : {"finetune --peft none --pretrained-checkpoint ", "pretrain --pretrained-checkpoint ", "import --hf-model "})
    expect_refused(words + path("run") + " --dir " + path("again"), "merge it into its model first");
}

TEST_F(PeftRuns, RefusesAWrongChoiceBeforeAnyWork) {
  write_data(read_tensor_file(kExpected + "lora.safetensors"), 1);
  expect_refused(finetune("run", "peft.target_modules=q_porj"),
                 "peft.target_modules[0] = \"q_porj\": no such module in the model\n       did you mean \"q_proj\"?");
  std::string zero = finetune("run", "");
  expect_refused(zero.replace(zero.find("peft.dim=4"), 10, "peft.dim=0"), "peft.dim = 0");
  expect_refused(finetune("run", "", "lroa"), "did you mean \"lora\"?");
  expect_refused("finetune --peft lora --dir " + path("run") + " --data " + path("data.jsonl"), "--pretrained-checkpoint");
  expect_refused("pretrain --peft lora --model llama3/8b --dir " + path("run"), "use `corral finetune`");
  expect_refused(eval(kModel) + "--peft lora", "--adapter DIR");
  expect_refused("merge --hf-model " + kModel + " --hf-path " + path("out_folder"), "nothing to merge");
  EXPECT_FALSE(fs::exists(path("run")));
}

TEST_F(PeftRuns, TakesAMethodByThePathOfItsFile) {
  write_data(read_tensor_file(kExpected + "lora.safetensors"), 2);
  fs::create_directories(path("elsewhere"));
  for (const char* file : {"dora.so", "dora.manifest"})
    fs::copy(std::string(CORRAL_BINARY_DIR "/plugins/peft/dora/") + file, path("elsewhere") + "/" + file);
  ASSERT_EQ(corral(finetune("run", "", path("elsewhere") + "/dora.so", 2)), 0) << text("err");
  EXPECT_TRUE(read_tensor_file(last("run", 2) + "/adapter_model.safetensors")
                  .contains("base_model.model.model.layers.0.mlp.up_proj.lora_magnitude_vector"));
}

// The method is a shared object of these tests, named by its path.
TEST_F(PeftRuns, TrainsResumesMergesAndRunsAnUnknownMethod) {
  write_data(read_tensor_file(kExpected + "lora.safetensors"), 2);
  const std::string plugin = CORRAL_ROW_FACTORS;
  const auto words = [&](const std::string& run, int steps) {
    std::string w = finetune(run, "train.save_interval=4", plugin, steps);
    return w.replace(w.find(" peft.dim=4 peft.alpha=8"), 24, " peft.target=up_proj");
  };
  ASSERT_EQ(corral(eval(kModel)), 0) << text("err");
  const double base = json::parse(text("out"))["loss"];
  ASSERT_EQ(corral(words("whole", 8)), 0) << text("err");
  EXPECT_EQ(read_tensor_file(last("whole", 8) + "/adapter_model.safetensors").size(), 2u);
  ASSERT_EQ(corral(words("parts", 8) + " train.exit_duration_in_mins=0.0000001"), 0) << text("err");
  ASSERT_EQ(corral("finetune --resume --dir " + path("parts") + " --set train.exit_duration_in_mins=0"), 0) << text("err");
  EXPECT_EQ(content(last("parts", 8) + "/adapter_model.safetensors"), content(last("whole", 8) + "/adapter_model.safetensors"));
  ASSERT_EQ(corral(eval(path("whole")) + "--peft " + plugin), 0) << text("err");
  const double trained = json::parse(text("out"))["loss"];
  EXPECT_LT(trained, base - 1e-3);
  ASSERT_EQ(corral("merge --checkpoint " + path("whole") + " --peft " + plugin + " --hf-path " + path("merged")), 0) << text("err");
  ASSERT_EQ(corral(eval(path("merged"))), 0) << text("err");
  EXPECT_NEAR(json::parse(text("out"))["loss"].get<double>(), trained, 1e-5);
  expect_refused(eval(path("whole")), "no installed peft plugin recognizes this adapter");
}

TEST_F(PeftRuns, EachFinetuneRecipeTrainsItsAdapter) {
  write_data(read_tensor_file(kExpected + "lora.safetensors"), 2);
  for (const auto& entry : fs::directory_iterator(CORRAL_SOURCE_DIR "/recipes")) {
    const std::string name = entry.path().stem();
    if (name.find("_finetune_") == std::string::npos) continue;
    // Every recipe is run with its own method, and one recipe with each other method too.
    const bool first = name.find("llama32_1b") == 0;
    for (const std::string& method : first ? std::vector<std::string>{"lora", "dora", "none"} : std::vector<std::string>{"lora"}) {
      const std::string run = name + method;
      ASSERT_EQ(corral("finetune --recipe " + name + " --pretrained-checkpoint " + kModel + " --data " + path("data.jsonl") + " --dir " +
                       path(run) + (method == "lora" ? "" : " --peft " + method) +
                       " --dataset text --seq-length 33 --global-batch-size 2 --train-iters 2 --set device.threads=1 data.packed=false "
                       "data.split=100,0,0 "
                       "optimizer.lr_warmup_iters=1 train.eval_interval=0"),
                0)
          << name << "\n"
          << text("err");
      EXPECT_EQ(fs::exists(last(run, 2) + "/adapter_config.json"), method != "none") << run;
      if (method != "none") {
        const json config = json::parse(content(last(run, 2) + "/adapter_config.json"));
        EXPECT_EQ(config["use_dora"], method == "dora") << name;
        EXPECT_EQ(config["r"], name.find("llama32") == 0 ? 32 : name.find("_8b_") != std::string::npos ? 8 : 16) << name;
      }
    }
  }
}

}  // namespace
