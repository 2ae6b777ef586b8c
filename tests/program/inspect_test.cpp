// `corral inspect`, `verify`, `diff`, `bridge check`, and the certificate that each conversion writes.
#define XXH_INLINE_ALL
#include <sys/resource.h>
#include <xxhash.h>

#include <cmath>
#include <cstdio>

#include "tests/program/model_folder.h"
#include "tests/program/run_program.h"

namespace {
namespace fs = std::filesystem;
using nlohmann::json;

class Checkpoints : public ProgramTest {
 protected:
  static std::string mcore(const std::string& name) { return CORRAL_SOURCE_DIR "/tests/golden/megatron/" + name + "/mcore"; }
  static std::string twin(const std::string& name) { return CORRAL_SOURCE_DIR "/tests/golden/megatron/" + name + "/hf"; }
  std::string copy(const std::string& from, const std::string& name) const {
    fs::copy(from, *this / name, fs::copy_options::recursive);
    return *this / name;
  }
  static void flip(const fs::path& path, size_t at) {
    std::string bytes = text_of(path);
    bytes.at(at) = static_cast<char>(bytes.at(at) ^ 1);
    write_text(path, bytes);
  }
  static void drop_scaling(const fs::path& folder) {
    json config = json::parse(text_of(folder / "config.json"));
    ASSERT_TRUE(config.contains("rope_scaling"));
    config["rope_scaling"] = nullptr;
    write_text(folder / "config.json", config.dump());
  }
  json inspected(const std::string& path) const {
    const Shown shown = corral("inspect --json " + path);
    EXPECT_EQ(shown.code, 0) << shown.err;
    return json::parse(shown.out);
  }
  static bool lacks(const json& report, const std::string& what) {
    for (const auto& m : report["missing"])
      if (m.get<std::string>().find(what) != std::string::npos) return true;
    return false;
  }
  // The report of one check of `verify --json`.
  static json check(const Shown& shown, const std::string& name) {
    const json all = json::parse(shown.out);
    for (const auto& c : all["checkpoints"][0]["checks"])
      if (c["check"] == name) return c;
    return {};
  }
};

TEST_F(Checkpoints, InspectSaysWhatAHuggingFaceFolderHoldsAndLacks) {
  const json r = inspected(golden("llama31"));
  EXPECT_EQ(r["format"], "hf");
  EXPECT_EQ(r["model"]["plugin"], "llama31");
  EXPECT_EQ(r["kind"], "model");
  EXPECT_EQ(r["iteration"], nullptr);
  EXPECT_EQ(r["made_by"], json::array({"its configuration: transformers 4.43.0"}));
  EXPECT_EQ(r["tensors"].size(), 21u);
  EXPECT_EQ(r["tensors"][0]["dtype"], "BF16");
  uint64_t bytes = 0;
  for (const auto& t : r["tensors"]) bytes += t["bytes"].get<uint64_t>();
  EXPECT_EQ(r["bytes"], bytes);
  EXPECT_EQ(r["missing"].size(), 2u) << r["missing"];
  EXPECT_TRUE(lacks(r, "a tokenizer"));
  EXPECT_TRUE(lacks(r, "the state of an optimizer"));
  EXPECT_FALSE(lacks(inspected(golden("llama3")), "a tokenizer"));
  const Shown text = corral("inspect " + golden("llama31"));
  EXPECT_NE(text.out.find("weights    21 tensors, 163.3 KB (21 BF16)\n"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("lm_head.weight"), std::string::npos);
}

TEST_F(Checkpoints, InspectNamesTheTensorsThatAreMissingOrTooMany) {
  const std::string folder = copy(golden("llama32"), "model");
  auto tensors = raw_tensors(folder);
  tensors["model.extra.weight"] = tensors.at("model.norm.weight");
  tensors.erase("model.norm.weight");
  write_tensors(folder + "/model.safetensors", tensors);
  const json r = inspected(folder);
  EXPECT_TRUE(lacks(r, "the tensor model.norm.weight")) << r["missing"];
  EXPECT_TRUE(lacks(r, "a parameter of the model for the tensor model.extra.weight")) << r["missing"];
  fs::remove(folder + "/config.json");
  EXPECT_TRUE(lacks(inspected(folder), "the configuration, which names the model"));
}

TEST_F(Checkpoints, InspectKnowsMegatronFoldersTheirStepAndTheirOptimizer) {
  const json r = inspected(mcore("optimizer"));
  EXPECT_EQ(r["format"], "megatron");
  EXPECT_EQ(r["iteration"], 500);
  size_t parts = 0;
  for (const auto& t : r["tensors"]) parts += t.value("part", "") == "optimizer";
  EXPECT_GT(parts, 0u);
  EXPECT_FALSE(lacks(r, "the state of an optimizer"));
  EXPECT_TRUE(lacks(r, "the configuration"));
  EXPECT_NE(r["made_by"].dump().find("2 ranks"), std::string::npos) << r["made_by"];
}

TEST_F(Checkpoints, InspectSaysFromWhereAConversionCame) {
  ASSERT_EQ(corral("import --hf-model " + golden("llama31") + " --megatron-path " + (*this / "mg")).code, 0);
  for (const std::string path : {"mg", "mg/iter_0000000"}) {
    const json r = inspected(*this / path);
    EXPECT_EQ(r["model"]["plugin"], "llama31");
    EXPECT_EQ(r["iteration"], 0);
    EXPECT_NE(r["made_by"].dump().find("corral import of " + golden("llama31")), std::string::npos) << r["made_by"];
  }
  ASSERT_EQ(corral("import --hf-model " + golden("llama31") + " --dir " + (*this / "run")).code, 0);
  const json r = inspected(*this / "run");
  EXPECT_EQ(r["iteration"], 0);
  EXPECT_EQ(r["made_by"][0], "a run of Corral (MANIFEST.json)");
}

TEST_F(Checkpoints, VerifyPassesWholeCheckpoints) {
  for (const std::string& path : {golden("llama3"), golden("llama32"), mcore("tensor_parallel"), mcore("buckets")}) {
    const Shown shown = corral("verify " + path);
    EXPECT_EQ(shown.code, 0) << shown.out << shown.err;
  }
  const Shown nothing = corral("verify " + (*this / "nowhere"));
  EXPECT_EQ(nothing.code, 2);
}

TEST_F(Checkpoints, VerifyFindsAFlippedBitByChecksumManifestOrCertificate) {
  // Megatron: each record has a checksum.
  const std::string mg = copy(mcore("tied"), "mg");
  const fs::path distcp = mg + "/iter_0000500/__0_0.distcp";
  ASSERT_TRUE(fs::exists(distcp));
  const size_t place = text_of(distcp).find("data/0");
  ASSERT_NE(place, std::string::npos);
  flip(distcp, text_of(distcp).rfind("data/0", text_of(distcp).size() / 2) + 200);
  const Shown damaged = corral("verify --json " + mg);
  EXPECT_EQ(damaged.code, 1);
  EXPECT_EQ(check(damaged, "every byte of every tensor")["result"], "wrong") << damaged.out;
  EXPECT_NE(damaged.out.find("do not have their checksum"), std::string::npos) << damaged.out;
  // A run has a manifest.
  ASSERT_EQ(corral("import --hf-model " + golden("llama32") + " --dir " + (*this / "run")).code, 0);
  const fs::path weights = *this / "run/checkpoints/iter_0000000/model.safetensors";
  ASSERT_EQ(corral("verify " + (*this / "run")).code, 0);
  flip(weights, fs::file_size(weights) - 5);
  const Shown run = corral("verify --json " + (*this / "run"));
  EXPECT_EQ(run.code, 1);
  EXPECT_EQ(check(run, "every file against MANIFEST.json")["result"], "wrong");
  EXPECT_EQ(check(run, "hashes of conversion.json")["problems"].size(), 1u) << run.out;
  // An export has the hashes of its certificate.
  ASSERT_EQ(corral("export --checkpoint " + golden("llama32") + " --hf-path " + (*this / "out")).code, 0);
  EXPECT_EQ(corral("verify " + (*this / "out")).code, 0);
  flip(*this / "out/model.safetensors", fs::file_size(*this / "out/model.safetensors") - 5);
  const Shown changed = corral("verify --json " + (*this / "out"));
  EXPECT_EQ(changed.code, 1);
  EXPECT_NE(check(changed, "hashes of conversion.json")["problems"].dump().find("model.norm.weight has changed"), std::string::npos)
      << changed.out;
}

TEST_F(Checkpoints, VerifyFindsNanInfinityAndMissingTensors) {
  const std::string folder = copy(golden("llama32"), "model");
  auto tensors = raw_tensors(folder);
  std::string& norm = tensors.at("model.norm.weight");
  const size_t data = norm.find(']') + 1;
  const float odd[] = {NAN, -NAN, INFINITY};
  std::memcpy(norm.data() + data + 8, odd, sizeof odd);
  write_tensors(folder + "/model.safetensors", tensors);
  const Shown shown = corral("verify --json " + folder);
  EXPECT_EQ(shown.code, 1);
  EXPECT_EQ(check(shown, "finite values")["problems"], json::array({"model.norm.weight: 2 NaN and 1 infinite"})) << shown.out;
  EXPECT_EQ(shown.err, "error: not whole: " + folder + "\n");
  tensors.erase("model.norm.weight");
  write_tensors(folder + "/model.safetensors", tensors);
  const Shown less = corral("verify --json " + folder);
  EXPECT_EQ(less.code, 1);
  EXPECT_EQ(check(less, "the tensors of its model")["result"], "wrong") << less.out;
  fs::resize_file(folder + "/model.safetensors", fs::file_size(folder + "/model.safetensors") - 100);
  const Shown cut = corral("verify --json " + folder);
  EXPECT_EQ(cut.code, 1);
  EXPECT_EQ(check(cut, "the format's own rules")["result"], "wrong") << cut.out;
}

// NaN or infinite moments would break the next step of a run although its weights are whole.
TEST_F(Checkpoints, VerifyLooksIntoTheStateOfTheOptimizer) {
  const std::string run = *this / "run";
  ASSERT_EQ(corral("import --hf-model " + golden("llama32") + " --dir " + run).code, 0);
  const std::string state = run + "/checkpoints/iter_0000000/state";
  fs::create_directory(state);
  fs::remove(run + "/checkpoints/iter_0000000/MANIFEST.json");
  const auto write = [&](float value) {
    const float values[] = {1, value};
    write_tensors(state + "/optimizer.safetensors",
                  {{"exp_avg.x", "\"F32\"[2]" + std::string(reinterpret_cast<const char*>(values), sizeof values)}});
  };
  const std::string words = "verify --json " + run + "/checkpoints/iter_0000000", name = "the training state beside it";
  EXPECT_NE(check(corral(words), name)["result"].get<std::string>().find("no tensors of an optimizer"), std::string::npos);
  write(2);
  const Shown whole = corral(words);
  EXPECT_EQ(whole.code, 0) << whole.out;
  EXPECT_EQ(check(whole, name)["result"], "1 tensors, all are finite");
  write(-INFINITY);
  const Shown odd = corral(words);
  EXPECT_EQ(odd.code, 1) << odd.out;
  EXPECT_EQ(check(odd, name)["problems"], json::array({"exp_avg.x: 0 NaN and 1 infinite"})) << odd.out;
}

TEST_F(Checkpoints, VerifyComparesAFileOfTheHubsCacheWithTheHashInItsName) {
  const std::string folder = copy(golden("llama32"), "snapshot");
  fs::create_directory(*this / "blobs");
  const fs::path weights = folder + "/model.safetensors";
  for (const std::string tool : {"sha256sum ", "git hash-object "}) {
    ASSERT_EQ(std::system((tool + weights.string() + " >" + (*this / "sum")).c_str()), 0) << tool;
    const std::string sum = text_of(*this / "sum"), blob = *this / "blobs/" + sum.substr(0, sum.find_first_of(" \n"));
    fs::copy_file(golden("llama32") + "/model.safetensors", blob);
    fs::remove(weights);
    fs::create_symlink(blob, weights);
    const Shown whole = corral("verify --json " + folder);
    EXPECT_EQ(whole.code, 0) << whole.out;
    EXPECT_EQ(check(whole, "hashes of the hub")["result"], "1 files agree") << whole.out;
    flip(blob, fs::file_size(blob) - 5);
    const Shown changed = corral("verify --json " + folder);
    EXPECT_EQ(changed.code, 1);
    EXPECT_EQ(check(changed, "hashes of the hub")["result"], "wrong") << changed.out;
    fs::remove(weights);
    fs::copy_file(golden("llama32") + "/model.safetensors", weights);
  }
}

TEST_F(Checkpoints, DiffComparesAcrossFormatsByTheNamesOfTheFirst) {
  for (const std::string name : {"tied", "tensor_parallel", "per_layer", "singleton", "optimizer"}) {
    const Shown forth = corral("diff --json " + mcore(name) + " " + twin(name));
    ASSERT_EQ(forth.code, 0) << name << forth.out << forth.err;
    const json a = json::parse(forth.out);
    EXPECT_TRUE(a["equal"]);
    EXPECT_EQ(a["a"]["format"], "megatron");
    EXPECT_NE(a["tensors"].dump().find("self_attention.linear_qkv.weight"), std::string::npos);
    uint64_t compared = 0;
    for (const auto& t : a["tensors"]) compared += t["compared"].get<uint64_t>();
    const Shown back = corral("diff --json " + twin(name) + " " + mcore(name));
    ASSERT_EQ(back.code, 0) << name << back.out << back.err;
    uint64_t other = 0;
    const json b = json::parse(back.out);
    for (const auto& t : b["tensors"]) other += t["compared"].get<uint64_t>();
    EXPECT_NE(back.out.find("model.layers.0.self_attn.q_proj.weight"), std::string::npos);
    EXPECT_GE(compared, other);
    EXPECT_GT(other, 3'000u);
  }
}

TEST_F(Checkpoints, DiffGivesTheLargestAndTheRelativeDifferenceOfEachTensor) {
  const std::string other = copy(twin("per_layer"), "other");
  auto tensors = raw_tensors(other);
  std::string& q = tensors.at("model.layers.0.self_attn.q_proj.weight");
  const size_t data = q.find(']') + 1;
  std::vector<float> values((q.size() - data) / 4);
  ASSERT_EQ(q.rfind("\"F32\"", 0), 0u);
  std::memcpy(values.data(), q.data() + data, values.size() * 4);
  double squares = 0, changed = 0;
  for (const float v : values) squares += static_cast<double>(v) * v;
  for (const size_t i : {3u, 500u}) {
    const float before = values[i];
    values[i] += i == 3 ? 0.25f : -1.5f;
    changed += std::pow(static_cast<double>(values[i]) - before, 2);
  }
  std::memcpy(q.data() + data, values.data(), values.size() * 4);
  write_tensors(other + "/model.safetensors", tensors);
  const Shown hf = corral("diff --json " + twin("per_layer") + " " + other);
  EXPECT_EQ(hf.code, 1) << hf.err;
  const json by_name = json::parse(hf.out);
  for (const auto& t : by_name["tensors"]) {
    const bool is_q = t["name"] == "model.layers.0.self_attn.q_proj.weight";
    EXPECT_EQ(t["equal"], !is_q) << t;
    if (!is_q) continue;
    EXPECT_EQ(t["differing"], 2);
    EXPECT_NEAR(t["max_abs"].get<double>(), 1.5, 1e-6);
    EXPECT_NEAR(t["relative"].get<double>(), std::sqrt(changed / squares), 1e-9);
  }
  // Across formats the difference is found in Megatron's fused tensor.
  const Shown mg = corral("diff --json " + mcore("per_layer") + " " + other);
  EXPECT_EQ(mg.code, 1) << mg.err;
  size_t differing = 0;
  const json by_map = json::parse(mg.out);
  for (const auto& t : by_map["tensors"]) {
    if (t["equal"]) continue;
    ++differing;
    EXPECT_NE(t["name"].get<std::string>().find("self_attention.linear_qkv.weight"), std::string::npos) << t;
    EXPECT_EQ(t["differing"], 2);
    EXPECT_NEAR(t["max_abs"].get<double>(), 1.5, 1e-6);
  }
  EXPECT_EQ(differing, 1u);
  const Shown text = corral("diff " + twin("per_layer") + " " + other);
  EXPECT_NE(text.out.find(" tensors, 1 differ\n"), std::string::npos) << text.out;
}

TEST_F(Checkpoints, DiffTellsOtherTypesOtherShapesAndTensorsOfOneSideOnly) {
  const std::string other = copy(golden("llama32"), "other");
  auto tensors = raw_tensors(other);
  // The upper half of a float32 is its bf16 value, rounded towards zero.
  const std::string norm = tensors.at("model.norm.weight");
  const size_t data = norm.find(']') + 1;
  std::string half = "\"BF16\"" + norm.substr(norm.find('['), data - norm.find('['));
  for (size_t i = data; i < norm.size(); i += 4) half += norm.substr(i + 2, 2);
  tensors["model.norm.weight"] = half;
  tensors["extra"] = norm;
  tensors.erase("model.layers.0.input_layernorm.weight");
  write_tensors(other + "/model.safetensors", tensors);
  fs::remove(other + "/config.json");
  const Shown shown = corral("diff --json " + golden("llama32") + " " + other);
  EXPECT_EQ(shown.code, 1) << shown.err;
  const json r = json::parse(shown.out);
  EXPECT_EQ(r["only_in_b"], json::array({"extra"}));
  EXPECT_EQ(r["only_in_a"], json::array({"model.layers.0.input_layernorm.weight"}));
  for (const auto& t : r["tensors"])
    if (t["name"] == "model.norm.weight") {
      EXPECT_EQ(t["other_dtype"], "BF16");
      EXPECT_GT(t["differing"], 0);
      EXPECT_LT(t["relative"], 0.01);
      EXPECT_GT(t["relative"], 0);
    }
  const Shown models = corral("diff --json " + golden("llama3") + " " + golden("llama32"));
  EXPECT_EQ(models.code, 1) << models.err;
}

TEST_F(Checkpoints, DiffTakesAdaptersOfBothFormats) {
  const std::string adapter = CORRAL_SOURCE_DIR "/tests/golden/expected/llama3/lora_end";
  ASSERT_EQ(corral("import --hf-model " + golden("llama3") + " --adapter " + adapter + " --megatron-path " + (*this / "mg")).code, 0);
  ASSERT_EQ(corral("export --megatron-path " + (*this / "mg") + " --hf-path " + (*this / "back")).code, 0);
  const Shown same = corral("diff " + (*this / "back") + " " + (*this / "mg"));
  EXPECT_EQ(same.code, 0) << same.out << same.err;
  const Shown mixed = corral("diff " + (*this / "back") + " " + golden("llama3"));
  EXPECT_EQ(mixed.code, 2);
  EXPECT_NE(mixed.err.find("is an adapter"), std::string::npos) << mixed.err;
}

TEST_F(Checkpoints, DiffAndVerifyNeedNoMoreMemoryForLargerTensors) {
  ASSERT_EQ(corral("init --model llama32 --precision fp32 --seed 1 --hf-path " + (*this / "big") +
                   " --set model.num_hidden_layers=1 model.hidden_size=512 model.intermediate_size=512 model.num_attention_heads=8 "
                   "model.num_key_value_heads=2 model.head_dim=64 model.vocab_size=100000 model.tie_word_embeddings=true")
                .code,
            0);
  ASSERT_EQ(corral("import --hf-model " + (*this / "big") + " --megatron-path " + (*this / "mg")).code, 0);
  for (const std::vector<std::string>& words : {std::vector<std::string>{"diff", *this / "mg", *this / "big"}, {"verify", *this / "mg"}}) {
    const pid_t child = ::fork();
    if (child == 0) {
      (void)!std::freopen((*this / "child").c_str(), "w", stdout);
      std::vector<char*> arguments{const_cast<char*>("corral")};
      for (const std::string& w : words) arguments.push_back(const_cast<char*>(w.c_str()));
      arguments.push_back(nullptr);
      ::execv(CORRAL_BINARY_DIR "/bin/corral", arguments.data());
      ::_exit(127);
    }
    int status = 0;
    struct rusage usage {};
    ::wait4(child, &status, 0, &usage);
    EXPECT_EQ(WEXITSTATUS(status), 0) << text_of(*this / "child");
    EXPECT_LT(usage.ru_maxrss, 150'000) << words[0] << ": the embedding alone has 205 MB";
  }
}

TEST_F(Checkpoints, BridgeCheckNamesPluginRecipeAndTheUseOfEachKey) {
  const Shown shown = corral("bridge check --json " + golden("llama31"));
  ASSERT_EQ(shown.code, 0) << shown.err;
  const json r = json::parse(shown.out);
  EXPECT_TRUE(r["taken"]);
  EXPECT_EQ(r["model"], "llama31");
  EXPECT_EQ(r["models"].size(), 3u);
  std::map<std::string, json> keys;
  for (const auto& k : r["keys"]) keys[k["key"]] = k;
  const json config = json::parse(text_of(golden("llama31") + "/config.json"));
  for (const auto& [key, value] : config.items()) EXPECT_TRUE(keys.contains(key)) << key;
  EXPECT_EQ(keys["hidden_size"]["use"], "used");
  EXPECT_EQ(keys["rope_scaling.factor"]["use"], "used");
  EXPECT_EQ(keys["use_cache"]["use"], "ignored");
  EXPECT_NE(keys["use_cache"]["why"], "");
  EXPECT_FALSE(r["recipes"].empty());
  EXPECT_NE(r["recipes"].dump().find("model.hidden_size = 48 (4096)"), std::string::npos) << r["recipes"];
  const std::string folder = copy(golden("llama31"), "model");
  json other = config;
  other["hidden_act"] = "gelu";
  write_text(folder + "/config.json", other.dump());
  const Shown refused = corral("bridge check " + folder);
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.out.find("not supported: hidden_act = \"gelu\": expected \"silu\""), std::string::npos) << refused.out;
  EXPECT_NE(refused.out.find("model    none: "), std::string::npos) << refused.out;
}

TEST_F(Checkpoints, BridgeCheckLooksAtAConfigurationWithoutWeights) {
  fs::create_directory(*this / "only");
  fs::copy(golden("llama31") + "/config.json", *this / "only/config.json");
  const Shown shown = corral("bridge check --json " + (*this / "only"));
  ASSERT_EQ(shown.code, 0) << shown.err;
  json r = json::parse(shown.out), whole = json::parse(corral("bridge check --json " + golden("llama31")).out);
  EXPECT_FALSE(r["has_weights"]);
  EXPECT_TRUE(whole["has_weights"]);
  for (const char* same : {"taken", "model", "models", "recipes", "keys"}) EXPECT_EQ(r[same], whole[same]) << same;
  EXPECT_NE(corral("bridge check " + (*this / "only")).out.find("weights  none that an installed format reads"), std::string::npos);
  write_text(*this / "only/config.json", R"({"model_type": "mistral"})");
  EXPECT_EQ(corral("bridge check " + (*this / "only")).code, 1);
  write_text(*this / "only/config.json", "{\"model_type\": ");
  const Shown cut = corral("bridge check " + (*this / "only"));
  EXPECT_EQ(cut.code, 2) << cut.out;
  EXPECT_NE(cut.err.find("/only: config.json: "), std::string::npos) << cut.err;
}

// A sparse file in the true shapes of Llama 3.2 1B.
TEST_F(Checkpoints, BridgeCheckFindsTheRecipeOfAModelThatHasOne) {
  json header;
  uint64_t at = 0;
  const auto add = [&](const std::string& name, const std::vector<uint64_t>& shape) {
    uint64_t bytes = 2;
    for (const uint64_t n : shape) bytes *= n;
    header[name] = {{"dtype", "BF16"}, {"shape", shape}, {"data_offsets", {at, at + bytes}}};
    at += bytes;
  };
  add("model.embed_tokens.weight", {128256, 2048});
  add("model.norm.weight", {2048});
  for (int l = 0; l < 16; ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".";
    for (const char* norm : {"input_layernorm.weight", "post_attention_layernorm.weight"}) add(layer + norm, {2048});
    for (const char* square : {"self_attn.q_proj.weight", "self_attn.o_proj.weight"}) add(layer + square, {2048, 2048});
    for (const char* small : {"self_attn.k_proj.weight", "self_attn.v_proj.weight"}) add(layer + small, {512, 2048});
    for (const char* up : {"mlp.gate_proj.weight", "mlp.up_proj.weight"}) add(layer + up, {8192, 2048});
    add(layer + "mlp.down_proj.weight", {2048, 8192});
  }
  fs::create_directory(*this / "1b");
  const std::string text = header.dump();
  const uint64_t size = text.size();
  std::ofstream(*this / "1b/model.safetensors", std::ios::binary).write(reinterpret_cast<const char*>(&size), 8) << text;
  fs::resize_file(*this / "1b/model.safetensors", 8 + size + at);
  write_text(*this / "1b/config.json", R"({"model_type":"llama","num_hidden_layers":16,"hidden_size":2048,"intermediate_size":8192,
      "num_attention_heads":32,"num_key_value_heads":8,"head_dim":64,"vocab_size":128256,"tie_word_embeddings":true,"rms_norm_eps":1e-05,
      "rope_theta":500000.0,"max_position_embeddings":131072,"rope_scaling":{"factor":32.0,"high_freq_factor":4.0,"low_freq_factor":1.0,
      "original_max_position_embeddings":8192,"rope_type":"llama3"}})");
  const Shown shown = corral("bridge check " + (*this / "1b"));
  EXPECT_EQ(shown.code, 0) << shown.out << shown.err;
  EXPECT_NE(shown.out.find("recipe   llama32_1b_pretrain_config: the same model\n"), std::string::npos) << shown.out;
  EXPECT_NE(shown.out.find("recipe   llama32_1b_finetune_config: the same model\n"), std::string::npos) << shown.out;
  EXPECT_NE(shown.out.find("weights  146 tensors, each has its parameter\n"), std::string::npos) << shown.out;
}

TEST_F(Checkpoints, AConversionEndsWithACertificateWhoseHashesAnyoneCanCompute) {
  const Shown out = corral("export --check --checkpoint " + golden("llama31") + " --hf-path " + (*this / "out"));
  ASSERT_EQ(out.code, 0) << out.err;
  const json c = json::parse(text_of(*this / "out/conversion.json"));
  EXPECT_EQ(c["command"], "export");
  EXPECT_EQ(c["source"], golden("llama31"));
  EXPECT_EQ(c["source_format"], "hf");
  EXPECT_EQ(c["tensors"], 21);
  EXPECT_GT(c["seconds"], 0);
  EXPECT_NEAR(c["gb_per_second"].get<double>(), c["bytes"].get<double>() / c["seconds"].get<double>() / 1e9, 1e-12);
  EXPECT_GT(c["peak_memory_bytes"], 1'000'000);
  EXPECT_EQ(c["check"]["result"], "passed");
  EXPECT_EQ(c["check"]["prompts"], 3);
  EXPECT_EQ(c["check"]["tokens"], 32);
  EXPECT_EQ(c["check"]["largest_difference"], 0);
  EXPECT_NE(out.err.find("21 tensors, "), std::string::npos) << out.err;
  uint64_t bytes = 0;
  const auto tensors = raw_tensors(*this / "out");
  ASSERT_EQ(c["hashes"].size(), tensors.size());
  for (const auto& [name, raw] : tensors) {
    const size_t data = raw.find(']') + 1;
    bytes += raw.size() - data;
    const XXH128_hash_t hash = XXH3_128bits(raw.data() + data, raw.size() - data);
    char hex[33];
    std::snprintf(hex, sizeof hex, "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                  static_cast<unsigned long long>(hash.low64));
    EXPECT_EQ(c["hashes"][name]["xxh3_128"], hex) << name;
  }
  EXPECT_EQ(c["bytes"], bytes);
  // The certificate belongs to its folder: the next conversion does not copy it and writes its own.
  const Shown in = corral("import --hf-model " + (*this / "out") + " --megatron-path " + (*this / "mg"));
  ASSERT_EQ(in.code, 0) << in.err;
  EXPECT_FALSE(fs::exists(*this / "mg/iter_0000000/hf/conversion.json"));
  const json m = json::parse(text_of(*this / "mg/conversion.json"));
  EXPECT_EQ(m["target"], "iter_0000000");
  // The certificate counts tensors of the written format: Megatron stacks layers, and has empty objects beside them.
  ASSERT_NE(m["tensors"], c["tensors"]);
  EXPECT_EQ(in.err.find("21 tensors"), std::string::npos) << in.err;
  EXPECT_NE(in.err.find("\n" + m["tensors"].dump() + " tensors, "), std::string::npos) << in.err;
  EXPECT_EQ(m["target_format"], "megatron");
  EXPECT_FALSE(m.contains("check"));
  EXPECT_TRUE(m["hashes"].contains("decoder.layers.self_attention.linear_qkv.weight"));
}

TEST_F(Checkpoints, TheCheckFailsWhereTheScalingOfPositionsWasLost) {
  // The original RoPE scaling shows in the logits only at large positions, beyond 8192.
  const std::string model = *this / "model";
  ASSERT_EQ(corral("init --model llama31 --precision fp32 --seed 3 --hf-path " + model +
                   " --set model.num_hidden_layers=2 model.hidden_size=64 model.intermediate_size=96 model.num_attention_heads=2 "
                   "model.num_key_value_heads=1 model.head_dim=64 model.vocab_size=200 model.initializer_range=0.3")
                .code,
            0);
  ASSERT_EQ(corral("import --check --hf-model " + model + " --megatron-path " + (*this / "mg")).code, 0);
  const std::string without = copy(model, "without");
  drop_scaling(without);
  const std::string words = "export --megatron-path " + (*this / "mg") + " --hf-model " + without + " --hf-path " + (*this / "out");
  const Shown lost = corral(words + " --check");
  EXPECT_EQ(lost.code, 1) << lost.err;
  EXPECT_NE(lost.err.find("the logits of "), std::string::npos) << lost.err;
  EXPECT_NE(lost.err.find("prompt 3 of 3, whose positions have a gap"), std::string::npos) << lost.err;
  EXPECT_FALSE(fs::exists(*this / "out"));
  EXPECT_EQ(corral(words).code, 0) << "only the check knows it";
  // diff --check sees the same: all tensors are equal, but not the logits.
  EXPECT_EQ(corral("diff " + model + " " + without).code, 0);
  EXPECT_EQ(corral("diff --check " + model + " " + (*this / "mg")).code, 0);
  const Shown logits = corral("diff --check " + model + " " + without);
  EXPECT_EQ(logits.code, 1) << logits.out;
  EXPECT_NE(logits.out.find(" tensors, 0 differ\nthe logits of A and of B differ by "), std::string::npos) << logits.out;
}

TEST_F(Checkpoints, TheCheckIsSkippedWithItsReasonWhereTheModelDoesNotFit) {
  const Shown shown = corral("export --check --check-memory 100KB --checkpoint " + golden("llama31") + " --hf-path " + (*this / "out"));
  ASSERT_EQ(shown.code, 0) << shown.err;
  const json c = json::parse(text_of(*this / "out/conversion.json"));
  EXPECT_EQ(c["check"]["result"], "skipped");
  EXPECT_NE(c["check"]["reason"].get<std::string>().find("in fp32, but only 100.0 KB"), std::string::npos) << c["check"];
  EXPECT_NE(shown.err.find("the logits are not compared: "), std::string::npos) << shown.err;
}

}  // namespace
