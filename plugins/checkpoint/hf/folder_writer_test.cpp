#include "plugins/checkpoint/hf/folder_writer.h"

#include <gtest/gtest.h>

#include <map>

#include "plugins/checkpoint/hf/folder_reader.h"
#include "plugins/checkpoint/hf/scratch_folder.h"

namespace corral::safetensors {
namespace {

std::string bytes_of(CheckpointReader& reader, uint64_t tensor) {
  const TensorInfo t = reader.list().tensors.at(tensor);
  uint64_t size = 0;
  EXPECT_TRUE(byte_size(element_type(t.dtype, t.name), t.shape, size));
  std::string bytes(size, '\0');
  reader.read(tensor, 0, bytes.data(), size);
  return bytes;
}

void copy(CheckpointReader& from, const std::filesystem::path& to, uint64_t max_shard_bytes, const std::string& kind = "model") {
  CheckpointWriteRequest request;
  request.tensors = from.list();
  request.kind = kind;
  request.max_shard_bytes = max_shard_bytes;
  const CheckpointInfo info = from.info();
  request.config = info.config;
  request.files = info.files;
  request.path = to.string();
  FolderWriter writer(request);
  for (size_t i = 0; i < request.tensors.tensors.size(); ++i) {
    const std::string bytes = bytes_of(from, i);
    writer.write(i, 0, bytes.data(), bytes.size());
  }
  writer.finish();
  commit_folder(request);
}

std::map<std::string, std::string> contents(CheckpointReader& reader) {
  std::map<std::string, std::string> all;
  const TensorList list = reader.list();
  for (size_t i = 0; i < list.tensors.size(); ++i) {
    std::string head = list.tensors[i].name + " " + std::to_string(static_cast<int>(list.tensors[i].dtype));
    for (const int64_t n : list.tensors[i].shape) head += " " + std::to_string(n);
    all[head] = bytes_of(reader, i);
  }
  return all;
}

TEST(FolderWriter, ACopyHasTheSameTensorsAndFilesInAnySharding) {
  for (const char* name : {"llama3", "llama31", "llama32"})
    for (const uint64_t shard : {0, 1, 40'000, 100'000}) {
      FolderReader golden((kModels / name).string());
      const ScratchFolder folder;
      copy(golden, folder.path(), shard);
      FolderReader back(folder.path().string());
      EXPECT_EQ(contents(back), contents(golden)) << name << " " << shard;
      EXPECT_EQ(back.info().config, golden.info().config);
      EXPECT_EQ(back.info().encode(), golden.info().encode());
    }
}

TEST(FolderWriter, ShardsAreNumberedNoLargerThanAskedAndIndexed) {
  FolderReader golden((kModels / "llama3").string());
  const ScratchFolder folder;
  copy(golden, folder.path(), 100'000);
  size_t shards = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder.path()))
    if (file.path().extension() == ".safetensors") {
      ++shards;
      EXPECT_LT(file.file_size(), 104'000u);
    }
  EXPECT_EQ(shards, 4u);
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "model-00001-of-00004.safetensors"));
  const std::string index = text_of(folder.path() / "model.safetensors.index.json");
  EXPECT_NE(index.find("\"total_size\": 326592"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "model.safetensors"));
}

TEST(FolderWriter, StateGoesIntoTheFilesThatTheTensorsName) {
  const ScratchFolder folder;
  CheckpointWriteRequest request;
  request.kind = "state";
  for (const char* file : {"optimizer", "gradients.safetensors", ""}) {
    TensorInfo t;
    t.name = std::string("x.") + file;
    t.dtype = DType::F32;
    t.shape = {2};
    t.file = file;
    request.tensors.tensors.push_back(t);
  }
  request.path = folder.path().string();
  FolderWriter writer(request);
  const float values[2] = {1, 2};
  for (size_t i = 0; i < 3; ++i) writer.write(i, 0, values, sizeof values);
  writer.finish();
  commit_folder(request);
  for (const char* file : {"optimizer.safetensors", "gradients.safetensors", "state.safetensors"})
    EXPECT_EQ(SafetensorsReader((folder.path() / file).string()).tensors().size(), 1u);
  EXPECT_EQ(FolderReader(folder.path().string()).list().tensors.size(), 3u);
}

TEST(FolderWriter, NoNameLeavesTheFolder) {
  const ScratchFolder folder;
  for (const char* name : {"../evil", "/tmp/evil", "..", ""}) {
    CheckpointWriteRequest request;
    request.files.emplace_back();
    request.files.back().name = name;
    request.path = folder.path().string();
    EXPECT_THROW(FolderWriter{request}, Error) << name;
  }
}

TEST(FolderWriter, TheSameTensorTwiceIsRefused) {
  const ScratchFolder folder;
  CheckpointWriteRequest request;
  TensorInfo t;
  t.name = "x";
  t.dtype = DType::F32;
  t.shape = {2};
  request.tensors.tensors = {t, t};
  for (const uint64_t shard : {0, 1}) {
    request.max_shard_bytes = shard;
    request.path = folder.path().string();
    EXPECT_THROW(FolderWriter{request}, Error);
  }
}

}  // namespace
}  // namespace corral::safetensors
