#include "plugins/checkpoint/hf/folder_reader.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "plugins/checkpoint/hf/scratch_folder.h"

namespace corral::safetensors {
namespace {

TEST(FolderReader, OpensTheThreeGoldenModels) {
  for (const char* name : {"llama3", "llama31", "llama32"}) {
    FolderReader reader((kModels / name).string());
    const TensorList list = reader.list();
    EXPECT_EQ(list.tensors.size(), std::string(name) == "llama32" ? 20u : 21u) << name;
    const CheckpointInfo info = reader.info();
    EXPECT_EQ(info.dialect, "hf");
    EXPECT_EQ(info.config, text_of(kModels / name / "config.json"));
    for (const NamedFile& f : info.files) EXPECT_EQ(f.content, text_of(kModels / name / f.name)) << f.name;
    EXPECT_EQ(info.files.size(), std::string(name) == "llama3" ? 4u : 1u) << name;
    EXPECT_EQ(probe_folder((kModels / name).string()).confidence, 100u);
  }
}

TEST(FolderReader, OpensOneFileAndLooseFiles) {
  const std::string file = (kModels / "llama31/model-00001-of-00002.safetensors").string();
  FolderReader one(file);
  EXPECT_GT(one.list().tensors.size(), 5u);
  EXPECT_EQ(one.info().config, "");
  EXPECT_EQ(probe_folder(file).confidence, 80u);

  const ScratchFolder folder;
  std::filesystem::copy(file, folder.path() / "optimizer.safetensors");
  FolderReader loose(folder.path().string());
  EXPECT_EQ(loose.list().tensors.size(), one.list().tensors.size());
  EXPECT_EQ(loose.list().tensors[0].file, "optimizer.safetensors");
  EXPECT_EQ(probe_folder(folder.path().string()).confidence, 50u);
}

struct Bad {
  const char* what;
  std::function<void(const std::filesystem::path&)> spoil;  // a copy of llama31, two shards
  const char* message;
};

class BadFolder : public testing::TestWithParam<Bad> {};

TEST_P(BadFolder, IsRefusedNamingFileAndTensor) {
  const ScratchFolder folder("llama31");
  GetParam().spoil(folder.path());
  try {
    FolderReader reader(folder.path().string());
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), 2);
    EXPECT_NE(std::string(e.what()).find(GetParam().message), std::string::npos) << e.what();
  }
}

constexpr char kFirst[] = "model-00001-of-00002.safetensors";
constexpr char kSecond[] = "model-00002-of-00002.safetensors";
constexpr char kIndex[] = "model.safetensors.index.json";

auto index_says(const char* text) {
  return [text](const std::filesystem::path& folder) { write_text(folder / kIndex, text); };
}
auto in_index(const std::string& from, const std::string& to) {
  return [from, to](const std::filesystem::path& folder) { replace_once(folder / kIndex, from, to); };
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadFolder,
    testing::Values(
        Bad{"NothingThere", [](const auto& f) { std::filesystem::remove_all(f); }, "no such file or folder"},
        Bad{"EmptyFolder",
            [](const auto& f) {
              std::filesystem::remove_all(f);
              std::filesystem::create_directory(f);
            },
            "has neither model.safetensors nor model.safetensors.index.json"},
        Bad{"OnlyAPickle",
            [](const auto& f) {
              std::filesystem::remove_all(f);
              std::filesystem::create_directory(f);
              write_text(f / "pytorch_model.bin", "x");
            },
            "has pytorch_model.bin, a pickle that may run code"},
        Bad{"ShardMissing", [](const auto& f) { std::filesystem::remove(f / kSecond); },
            "\"model-00002-of-00002.safetensors\": no such file"},
        Bad{"ShardCutOff", [](const auto& f) { std::filesystem::resize_file(f / kSecond, 50000); },
            "model-00002-of-00002.safetensors: tensor \"model.layers.1."},
        Bad{"ShardIsAFolder",
            [](const auto& f) {
              std::filesystem::remove(f / kSecond);
              std::filesystem::create_directory(f / kSecond);
            },
            "not a regular file"},
        Bad{"SameTensorInBothShards",
            [](const auto& f) { std::filesystem::copy(f / kFirst, f / kSecond, std::filesystem::copy_options::overwrite_existing); },
            "is also in model-00001-of-00002.safetensors"},
        Bad{"IndexIsNoJson", index_says("{\"weight_map\": {"), "model.safetensors.index.json: "},
        Bad{"IndexIsAList", index_says("[]"), "expected an object with the object \"weight_map\""},
        Bad{"IndexHasNoMap", index_says("{\"metadata\": {}}"), "expected an object with the object \"weight_map\""},
        Bad{"IndexIsEmpty", index_says("{\"weight_map\": {}}"), "names no tensor"},
        Bad{"IndexNamesANumber", index_says("{\"weight_map\": {\"w\": 1}}"), "weight_map[\"w\"]: expected the name of a file"},
        Bad{"IndexIsDeep",
            [](const auto& f) { write_text(f / kIndex, "{\"weight_map\":" + std::string(100000, '[') + std::string(100000, ']') + "}"); },
            "nested more than 16 deep"},
        Bad{"PathOutOfTheFolder", index_says("{\"weight_map\": {\"w\": \"../../secret.safetensors\"}}"),
            "weight_map[\"w\"] = \"../../secret.safetensors\": expected the name of a file in the same folder"},
        Bad{"AbsolutePath", index_says("{\"weight_map\": {\"w\": \"/etc/a.safetensors\"}}"),
            "expected the name of a file in the same folder"},
        Bad{"ParentFolder", index_says("{\"weight_map\": {\"w\": \"..\"}}"), "expected the name of a file in the same folder"},
        Bad{"EmptyName", index_says("{\"weight_map\": {\"w\": \"\"}}"), "expected the name of a file in the same folder"},
        Bad{"NulInName", index_says("{\"weight_map\": {\"w\": \"a\\u0000b.safetensors\"}}"),
            "expected the name of a file in the same folder"},
        Bad{"NotSafetensors", index_says("{\"weight_map\": {\"w\": \"config.json\"}}"), "expected a .safetensors file"},
        Bad{"TensorOfNoFile", in_index("\"lm_head.weight\"", "\"lm_head.bias\""), "is not in weight_map"},
        Bad{"TensorMissing", in_index("\"weight_map\": {", "\"weight_map\": {\n    \"a.extra\": \"model-00002-of-00002.safetensors\","),
            "weight_map[\"a.extra\"] = \"model-00002-of-00002.safetensors\": that file has no such tensor"},
        Bad{"WrongFile", in_index("\"lm_head.weight\": \"model-00002", "\"lm_head.weight\": \"model-00001"),
            "weight_map[\"lm_head.weight\"] = \"model-00001-of-00002.safetensors\", but the tensor is in "
            "\"model-00002-of-00002.safetensors\""}),
    [](const auto& test) { return test.param.what; });

TEST(FolderReader, AnEndlessFileThatGoesAlongIsRefused) {
  const ScratchFolder folder("llama31");
  write_text(folder.path() / "tokenizer.json", "");
  std::filesystem::resize_file(folder.path() / "tokenizer.json", uint64_t{1} << 40);
  FolderReader reader(folder.path().string());
  EXPECT_THROW(reader.info(), Error);
}

TEST(FolderReader, LeavesWeightsOfOtherFormatsAndManifestsBehind) {
  const ScratchFolder folder("llama31");
  for (const char* name : {"pytorch_model.bin", "MANIFEST.json", ".gitattributes", "a.gguf"}) write_text(folder.path() / name, "x");
  write_text(folder.path() / "chat_template.jinja", "y");
  const CheckpointInfo info = FolderReader(folder.path().string()).info();
  ASSERT_EQ(info.files.size(), 2u);
  EXPECT_EQ(info.files[0].name, "chat_template.jinja");
  EXPECT_EQ(info.files[1].name, "generation_config.json");
}

}  // namespace
}  // namespace corral::safetensors
