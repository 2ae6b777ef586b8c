// `corral import` and `export` with Hugging Face folders, and the choice of the model plugin.
#include <set>

#include "tests/program/model_folder.h"
#include "tests/program/run_program.h"

namespace {
namespace fs = std::filesystem;

class Transfer : public ProgramTest {
 protected:
  // Content of every file by name, except weights, their index and the certificate of the conversion.
  static std::map<std::string, std::string> other_files(const fs::path& folder) {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (entry.is_regular_file() && name.find(".safetensors") == std::string::npos && name != "conversion.json")
        files[name] = text_of(entry.path());
    }
    return files;
  }
};

TEST_F(Transfer, ImportThenExportGivesBackEveryTensorAndEveryFileByteForByte) {
  for (const std::string model : {"llama3", "llama31", "llama32"}) {
    const Shown in = corral("import --hf-model " + golden(model) + " --dir " + (*this / model + "/run"));
    ASSERT_EQ(in.code, 0) << in.err;
    EXPECT_NE(in.err.find("model: " + model + " ("), std::string::npos) << in.err;
    EXPECT_TRUE(fs::exists(*this / model + "/run/config.textproto"));
    EXPECT_TRUE(fs::exists(*this / model + "/run/checkpoints/iter_0000000/MANIFEST.json"));
    EXPECT_FALSE(fs::exists(*this / model + "/run/checkpoints/iter_0000000/state"));
    const Shown out = corral("export --checkpoint " + (*this / model + "/run") + " --hf-path " + (*this / model + "/hf/"));
    ASSERT_EQ(out.code, 0) << out.err;
    EXPECT_EQ(raw_tensors(*this / model + "/hf"), raw_tensors(golden(model)));
    EXPECT_EQ(other_files(*this / model + "/hf"), other_files(golden(model)));
    EXPECT_EQ(std::distance(fs::directory_iterator(*this / model), fs::directory_iterator()), 2) << "something else is left";
  }
}

TEST_F(Transfer, ARelativeNameIsWrittenIntoTheWorkingFolder) {
  const Shown out = corral("export --checkpoint " + golden("llama32") + " --hf-path out", "cd " + folder_.string() + " && ");
  ASSERT_EQ(out.code, 0) << out.err;
  EXPECT_EQ(raw_tensors(*this / "out"), raw_tensors(golden("llama32")));
}

TEST_F(Transfer, AShardedExportHasAnIndexAndNoFileAboveTheSizeAsked) {
  ASSERT_EQ(corral("export --checkpoint " + golden("llama32") + " --hf-path " + (*this / "out") + " --max-shard-size 100KB").code, 0);
  std::set<std::string> shards;
  for (const auto& entry : fs::directory_iterator(*this / "out"))
    if (entry.path().extension() == ".safetensors") {
      EXPECT_LT(entry.file_size(), 104'000u) << entry.path();
      shards.insert(entry.path().filename().string());
    }
  EXPECT_GE(shards.size(), 2u);
  const nlohmann::json index = nlohmann::json::parse(text_of(*this / "out/model.safetensors.index.json"));
  std::set<std::string> indexed;
  for (const auto& [tensor, file] : index["weight_map"].items()) indexed.insert(file);
  EXPECT_EQ(indexed, shards);
  EXPECT_EQ(raw_tensors(*this / "out"), raw_tensors(golden("llama32")));
}

TEST_F(Transfer, AStoredHeadBesideATiedEmbeddingIsKeptAndMustBeEqual) {
  fs::copy(golden("llama32"), *this / "model");
  auto tensors = raw_tensors(golden("llama32"));
  tensors["lm_head.weight"] = tensors.at("model.embed_tokens.weight");
  write_tensors(*this / "model/model.safetensors", tensors);
  ASSERT_EQ(corral("export --checkpoint " + (*this / "model") + " --hf-path " + (*this / "out")).code, 0);
  EXPECT_EQ(raw_tensors(*this / "out"), tensors);
  tensors["lm_head.weight"].back() = static_cast<char>(tensors["lm_head.weight"].back() ^ 1);
  write_tensors(*this / "model/model.safetensors", tensors);
  const Shown refused = corral("export --checkpoint " + (*this / "model") + " --hf-path " + (*this / "none"));
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("tensor lm_head.weight differs from model.embed_tokens.weight at element"), std::string::npos) << refused.err;
  EXPECT_FALSE(fs::exists(*this / "none"));
}

TEST_F(Transfer, TheModelPluginIsNamedWithItsReasonAndAFlagNamesAnother) {
  const Shown found = corral("export --checkpoint " + golden("llama31") + " --hf-path " + (*this / "a"));
  EXPECT_EQ(found.err.rfind("model: llama31 (RoPE scaled by 8; --model names another), from ", 0), 0u) << found.err;
  const Shown named = corral("export --checkpoint " + golden("llama31") + " --model llama3 --hf-path " + (*this / "b"));
  EXPECT_EQ(named.code, 0);
  EXPECT_EQ(named.err.rfind("model: llama3 (as --model says), from ", 0), 0u) << named.err;
}

// The RoPE factor decides first; tied weights decide for other factors.
TEST_F(Transfer, EveryConfigurationHasItsModelPlugin) {
  struct Case {
    const char *model, *plugin;
    double factor;  // of RoPE; 0 means no scaling
    bool tied;
  };
  const Case cases[] = {{"llama3", "llama3", 0, false},    {"llama31", "llama31", 8, false}, {"llama31", "llama31", 16, false},
                        {"llama31", "llama32", 32, false}, {"llama32", "llama32", 32, true}, {"llama32", "llama31", 8, true},
                        {"llama32", "llama3", 0, true},    {"llama32", "llama32", 16, true}};
  for (const Case& c : cases) {
    fs::remove_all(*this / "model");
    fs::copy(golden(c.model), *this / "model");
    nlohmann::json config = nlohmann::json::parse(text_of(*this / "model/config.json"));
    for (const char* section : {"rope_scaling", "rope_parameters"}) {
      if (!config.contains(section) || config[section].is_null()) continue;
      if (c.factor)
        config[section]["factor"] = c.factor;
      else
        config[section] = nullptr;
    }
    ASSERT_EQ(config.value("tie_word_embeddings", false), c.tied);
    write_text(*this / "model/config.json", config.dump());
    fs::remove_all(*this / "out");
    const Shown out = corral("export --checkpoint " + (*this / "model") + " --hf-path " + (*this / "out"));
    EXPECT_EQ(out.code, 0) << out.err;
    EXPECT_EQ(out.err.rfind(std::string("model: ") + c.plugin + " (", 0), 0u) << c.model << " with " << c.factor << ": " << out.err;
  }
}

TEST_F(Transfer, AnImportedModelCannotBeResumedButTrainingCanBeginFromIt) {
  ASSERT_EQ(corral("import --hf-model " + golden("llama32") + " --dir " + (*this / "run")).code, 0);
  const std::string before = text_of(*this / "run/config.textproto");
  const Shown resumed = corral("pretrain --dir " + (*this / "run") + " --resume");
  EXPECT_EQ(resumed.code, 2);
  EXPECT_NE(resumed.err.find("begin from it with --pretrained-checkpoint"), std::string::npos) << resumed.err;
  const Shown anew = corral("pretrain --dir " + (*this / "run"));
  EXPECT_EQ(anew.code, 2);
  EXPECT_NE(anew.err.find("--pretrained-checkpoint"), std::string::npos) << anew.err;
  EXPECT_EQ(text_of(*this / "run/config.textproto"), before);
}

}  // namespace
