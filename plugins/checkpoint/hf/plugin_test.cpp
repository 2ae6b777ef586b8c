// Tests the plugin as the host uses it: through its one symbol and the C ABI.
#include <gtest/gtest.h>

#include "corral/test_host.h"
#include "plugin.wire.h"
#include "plugins/checkpoint/hf/scratch_folder.h"

namespace {
using corral::safetensors::kModels;
using corral::safetensors::ScratchFolder;

class HfPlugin : public testing::Test {
 protected:
  void TearDown() override { host_.unload(); }

  corral_status open(const std::string& path, corral_reader** reader) const {
    corral::CheckpointOpenRequest request;
    request.path = path;
    const std::string bytes = request.encode();
    return hf_->open(bytes.data(), bytes.size(), reader);
  }

  corral::TestHost host_{CORRAL_BINARY_DIR "/plugins/checkpoint/hf/hf.so", CORRAL_CHECKPOINT_ID};
  const corral_checkpoint* hf_ = &host_.table<corral_checkpoint>();
};

TEST_F(HfPlugin, CopiesAModelThroughTheAbi) {
  const std::string path = (kModels / "llama32").string();
  const std::string probe = host_.ask(hf_->probe, path.c_str());
  EXPECT_EQ(corral::Probe::decode(probe.data(), probe.size()).confidence, 100u);

  corral_reader* reader = nullptr;
  ASSERT_EQ(open(path, &reader), CORRAL_OK) << host_.sentence();
  const std::string list = host_.ask(hf_->list, reader);
  corral::CheckpointWriteRequest request;
  request.tensors = corral::TensorList::decode(list.data(), list.size());

  const ScratchFolder folder;
  request.path = folder.path().string();
  const std::string bytes = request.encode();
  corral_writer* writer = nullptr;
  ASSERT_EQ(hf_->create(bytes.data(), bytes.size(), &writer), CORRAL_OK) << host_.sentence();
  for (uint64_t i = 0; i < request.tensors.tensors.size(); ++i) {
    uint64_t size = 4;
    for (const int64_t n : request.tensors.tensors[i].shape) size *= static_cast<uint64_t>(n);
    std::string data(size, '\0');
    ASSERT_EQ(hf_->read(reader, i, 0, data.data(), size), CORRAL_OK) << host_.sentence();
    ASSERT_EQ(hf_->write(writer, i, 0, data.data(), size), CORRAL_OK) << host_.sentence();
  }
  ASSERT_EQ(hf_->finish(writer), CORRAL_OK) << host_.sentence();
  ASSERT_EQ(hf_->commit(bytes.data(), bytes.size()), CORRAL_OK) << host_.sentence();
  ASSERT_EQ(hf_->close(reader), CORRAL_OK);
  EXPECT_EQ(corral::safetensors::text_of(folder.path() / "model.safetensors"),
            corral::safetensors::text_of(kModels / "llama32/model.safetensors"));
}

TEST_F(HfPlugin, SaysWhatIsWrongWithAStatus) {
  corral_reader* reader = nullptr;
  EXPECT_EQ(open("/nowhere/at/all", &reader), CORRAL_INVALID);
  EXPECT_EQ(host_.sentence(), "cannot read /nowhere/at/all: no such file or folder");

  const ScratchFolder folder;
  std::filesystem::create_symlink("/dev/full", folder.path() / "config.json");
  corral::CheckpointWriteRequest request;
  request.path = folder.path().string();
  request.config = "{}";
  const std::string bytes = request.encode();
  corral_writer* writer = nullptr;
  EXPECT_EQ(hf_->create(bytes.data(), bytes.size(), &writer), CORRAL_NO_SPACE);
  EXPECT_NE(host_.sentence().find("No space left on device"), std::string::npos) << host_.sentence();
}

}  // namespace
