#include "plugins/checkpoint/common/safetensors.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "corral/error.h"

namespace corral::safetensors {
namespace {
namespace fs = std::filesystem;

const fs::path kModels = fs::path(CORRAL_SOURCE_DIR) / "tests/golden/models";

class Safetensors : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("safetensors-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

std::vector<char> bytes_of(const SafetensorsReader& file, size_t i) {
  std::vector<char> bytes(file.tensors()[i].end - file.tensors()[i].begin);
  file.read(i, 0, bytes.data(), bytes.size());
  return bytes;
}

TEST_F(Safetensors, RewritesAFileOfThePythonLibraryByteForByte) {
  for (const char* name :
       {"llama3/model-00001-of-00003.safetensors", "llama31/model-00002-of-00002.safetensors", "llama32/model.safetensors"}) {
    const SafetensorsReader in((kModels / name).string());
    const std::string copy = (folder_ / "copy.safetensors").string();
    std::vector<StoredTensor> tensors = in.tensors();
    std::reverse(tensors.begin(), tensors.end());  // the writer must not depend on the order given
    SafetensorsWriter out(copy, tensors);
    for (size_t i = 0; i < tensors.size(); ++i) {
      const std::vector<char> bytes = bytes_of(in, tensors.size() - 1 - i);
      for (size_t at = 0; at < bytes.size(); at += 1000) out.write(i, at, bytes.data() + at, std::min<size_t>(1000, bytes.size() - at));
    }
    out.finish();
    EXPECT_THROW(SafetensorsReader{copy}, Error) << "before it is committed";
    SafetensorsWriter::commit(copy, tensors);
    EXPECT_EQ(read_whole(copy, 1 << 20), read_whole((kModels / name).string(), 1 << 20)) << name;
  }
}

TEST_F(Safetensors, AFileCutOffAnywhereIsRefused) {
  const std::string whole = read_whole((kModels / "llama31/model-00001-of-00002.safetensors").string(), 1 << 20);
  const std::string path = (folder_ / "cut.safetensors").string();
  for (size_t size = 0; size < whole.size(); size += size < 4096 ? 7 : 997) {
    std::ofstream(path, std::ios::binary | std::ios::trunc).write(whole.data(), static_cast<std::streamsize>(size));
    EXPECT_THROW(SafetensorsReader{path}, Error) << size;
  }
}

TEST_F(Safetensors, AMissingFileAFolderAndAPipeAreRefused) {
  EXPECT_THROW(SafetensorsReader{(folder_ / "none").string()}, Error);
  EXPECT_THROW(SafetensorsReader{folder_.string()}, Error);
  const std::string pipe = (folder_ / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THROW(SafetensorsReader{pipe}, Error);
}

TEST_F(Safetensors, AFileThatShrinksWhileItIsReadIsAnErrorNotASignal) {
  const fs::path path = folder_ / "shrinks.safetensors";
  fs::copy(kModels / "llama32/model.safetensors", path);
  const SafetensorsReader file(path.string());
  fs::resize_file(path, 5000);
  EXPECT_THROW(bytes_of(file, file.tensors().size() - 1), Error);
}

TEST_F(Safetensors, WritingTooLittleOrOutsideIsRefused) {
  SafetensorsWriter out((folder_ / "a.safetensors").string(), {{"w", element_type("F32"), {2}, 0, 0}});
  const float value = 1;
  EXPECT_THROW(out.write(0, 6, &value, 4), Error);
  EXPECT_THROW(out.write(0, UINT64_MAX - 1, &value, 4), Error);
  out.write(0, 4, &value, 4);
  EXPECT_THROW(out.finish(), Error);
}

TEST_F(Safetensors, SeveralWritersEachWriteTheirOwnBytesOfAFile) {
  const SafetensorsReader in((kModels / "llama32/model.safetensors").string());
  const std::string copy = (folder_ / "parts.safetensors").string();
  for (const size_t part : {1, 0}) {
    SafetensorsWriter out(copy, in.tensors(), {.one_of_several = true});
    for (size_t i = 0; i < in.tensors().size(); ++i) {
      const std::vector<char> bytes = bytes_of(in, i);
      const size_t half = bytes.size() / 2, begin = part == 0 ? 0 : half;
      out.write(i, begin, bytes.data() + begin, part == 0 ? half : bytes.size() - half);
    }
    out.finish();
  }
  SafetensorsWriter::commit(copy, in.tensors());
  EXPECT_EQ(read_whole(copy, 1 << 20), read_whole(in.path(), 1 << 20));
}

TEST_F(Safetensors, AFullDiskIsNoSpace) {
  fs::create_symlink("/dev/full", folder_ / "full.safetensors");
  const std::string path = (folder_ / "full.safetensors").string();
  const std::vector<StoredTensor> tensors{{"w", element_type("F32"), {2}, 0, 0}};
  const float values[2] = {1, 2};
  EXPECT_THROW(SafetensorsWriter(path, tensors).write(0, 0, values, sizeof values), NoSpace);
}

}  // namespace
}  // namespace corral::safetensors
