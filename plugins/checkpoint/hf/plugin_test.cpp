// The plugin as the host sees it: through its one symbol and the C ABI.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include "corral/abi.h"
#include "plugin.wire.h"
#include "plugins/checkpoint/hf/scratch_folder.h"

namespace {
using corral::safetensors::kModels;
using corral::safetensors::ScratchFolder;

constexpr char kPath[] = CORRAL_BINARY_DIR "/plugins/checkpoint/hf/hf.so";
std::string last_error;

class HfPlugin : public testing::Test {
 protected:
  void SetUp() override {
    library_ = ::dlopen(kPath, RTLD_NOW | RTLD_LOCAL);
    ASSERT_TRUE(library_) << ::dlerror();
    plugin_ = static_cast<const corral_plugin_descriptor*>(::dlsym(library_, "corral_plugin"));
    ASSERT_TRUE(plugin_);
    host_.struct_size = CORRAL_SIZE(corral_host);
    host_.set_error = [](const corral_host*, const char* text, uint64_t size) -> corral_status {
      last_error.assign(text, size);
      return CORRAL_OK;
    };
    ASSERT_EQ(plugin_->init(&host_), CORRAL_OK);
    hf_ = static_cast<const corral_checkpoint*>(plugin_->get_interface(CORRAL_CHECKPOINT_ID));
    ASSERT_TRUE(hf_);
  }
  void TearDown() override {
    EXPECT_EQ(plugin_->shutdown(), CORRAL_OK);
    EXPECT_EQ(::dlclose(library_), 0);
    EXPECT_EQ(::dlopen(kPath, RTLD_NOW | RTLD_NOLOAD), nullptr) << "not unloaded";
  }

  std::string reply_;
  corral_sink sink_{CORRAL_SIZE(corral_sink), &reply_, [](const corral_sink* to, const void* data, uint64_t size) -> corral_status {
                      static_cast<std::string*>(to->context)->append(static_cast<const char*>(data), size);
                      return CORRAL_OK;
                    }};
  void* library_ = nullptr;
  const corral_plugin_descriptor* plugin_ = nullptr;
  const corral_checkpoint* hf_ = nullptr;
  corral_host host_{};
};

TEST_F(HfPlugin, CopiesAModelThroughTheAbi) {
  const std::string path = (kModels / "llama32").string();
  ASSERT_EQ(hf_->probe(path.c_str(), &sink_), CORRAL_OK);
  EXPECT_EQ(corral::Probe::decode(reply_.data(), reply_.size()).confidence, 100u);

  corral_reader* reader = nullptr;
  ASSERT_EQ(hf_->open(path.c_str(), &reader), CORRAL_OK) << last_error;
  reply_.clear();
  ASSERT_EQ(hf_->list(reader, &sink_), CORRAL_OK);
  corral::CheckpointWriteRequest request;
  request.tensors = corral::TensorList::decode(reply_.data(), reply_.size());
  const std::string bytes = request.encode();

  const ScratchFolder folder;
  corral_writer* writer = nullptr;
  ASSERT_EQ(hf_->create(folder.path().c_str(), bytes.data(), bytes.size(), &writer), CORRAL_OK) << last_error;
  for (uint64_t i = 0; i < request.tensors.tensors.size(); ++i) {
    uint64_t size = 4;
    for (const int64_t n : request.tensors.tensors[i].shape) size *= static_cast<uint64_t>(n);
    std::string data(size, '\0');
    ASSERT_EQ(hf_->read(reader, i, 0, data.data(), size), CORRAL_OK) << last_error;
    ASSERT_EQ(hf_->write(writer, i, 0, data.data(), size), CORRAL_OK) << last_error;
  }
  ASSERT_EQ(hf_->finish(writer), CORRAL_OK) << last_error;
  ASSERT_EQ(hf_->close(reader), CORRAL_OK);
  EXPECT_EQ(corral::safetensors::text_of(folder.path() / "model.safetensors"),
            corral::safetensors::text_of(kModels / "llama32/model.safetensors"));
}

TEST_F(HfPlugin, SaysWhatIsWrongWithAStatus) {
  corral_reader* reader = nullptr;
  EXPECT_EQ(hf_->open("/nowhere/at/all", &reader), CORRAL_INVALID);
  EXPECT_EQ(last_error, "cannot read /nowhere/at/all: no such file or folder");

  const ScratchFolder folder;
  std::filesystem::create_symlink("/dev/full", folder.path() / "config.json");
  corral::CheckpointWriteRequest request;
  request.config = "{}";
  const std::string bytes = request.encode();
  corral_writer* writer = nullptr;
  EXPECT_EQ(hf_->create(folder.path().c_str(), bytes.data(), bytes.size(), &writer), CORRAL_NO_SPACE);
  EXPECT_NE(last_error.find("No space left on device"), std::string::npos) << last_error;
}

}  // namespace
