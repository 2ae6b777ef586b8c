// The plugin as the host sees it: through its one symbol and the C ABI.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include "corral/abi.h"
#include "options.wire.h"
#include "plugin.wire.h"
#include "plugins/dataset/common/test_files.h"

namespace {
using corral::data::TestFiles;

std::string last_error;

corral_status keep_error(const corral_host*, const char* text, uint64_t size) {
  last_error.assign(text, size);
  return CORRAL_OK;
}

// One id a byte.
corral_status encode_bytes(const corral_encoder*, const char* text, uint64_t size, uint64_t, int32_t* ids, uint64_t capacity,
                           uint64_t* count) {
  if (capacity < size) return CORRAL_NO_SPACE;
  for (uint64_t i = 0; i < size; ++i) ids[i] = static_cast<unsigned char>(text[i]);
  *count = size;
  return CORRAL_OK;
}

class TextPlugin : public testing::Test {
 protected:
  void SetUp() override {
    library_ = ::dlopen(CORRAL_BINARY_DIR "/plugins/dataset/text/text.so", RTLD_NOW | RTLD_LOCAL);
    ASSERT_TRUE(library_) << ::dlerror();
    plugin_ = static_cast<const corral_plugin_descriptor*>(::dlsym(library_, "corral_plugin"));
    ASSERT_TRUE(plugin_);
    host_.struct_size = CORRAL_SIZE(corral_host);
    host_.set_error = keep_error;
    ASSERT_EQ(plugin_->init(&host_), CORRAL_OK);
    data_ = static_cast<const corral_dataset*>(plugin_->get_interface(CORRAL_DATASET_ID));
    ASSERT_TRUE(data_);
  }
  void TearDown() override {
    EXPECT_EQ(plugin_->shutdown(), CORRAL_OK);
    EXPECT_EQ(::dlclose(library_), 0);
    EXPECT_EQ(::dlopen(CORRAL_BINARY_DIR "/plugins/dataset/text/text.so", RTLD_NOW | RTLD_NOLOAD), nullptr) << "not unloaded";
  }

  corral_status open(const corral::DatasetRequest& request, corral_dataset_instance** instance) {
    const std::string bytes = request.encode();
    return data_->open(bytes.data(), bytes.size(), &encoder_, instance);
  }

  void* library_ = nullptr;
  const corral_plugin_descriptor* plugin_ = nullptr;
  const corral_dataset* data_ = nullptr;
  corral_host host_{};
  corral_encoder encoder_{CORRAL_SIZE(corral_encoder), nullptr, encode_bytes};
};

TEST_F(TextPlugin, GivesRowsThroughTheAbi) {
  const TestFiles files;
  corral::dataset::text::Options options;
  options.reset_positions = true;
  corral::DatasetRequest request;
  request.options = options.encode();
  request.paths = {files.write("a.jsonl", "{\"text\": \"ab\"}\n{\"text\": \"cd\"}\n")};
  request.split = "1";
  request.seq_length = 5;
  request.end_of_text_id = 256;
  request.num_ids = 257;
  request.threads = 2;
  corral_dataset_instance* instance = nullptr;
  ASSERT_EQ(open(request, &instance), CORRAL_OK) << last_error;

  std::string reply;
  const corral_sink sink{CORRAL_SIZE(corral_sink), &reply, [](const corral_sink* to, const void* data, uint64_t size) -> corral_status {
                           static_cast<std::string*>(to->context)->append(static_cast<const char*>(data), size);
                           return CORRAL_OK;
                         }};
  ASSERT_EQ(data_->info(instance, &sink), CORRAL_OK);
  const corral::DatasetInfo info = corral::DatasetInfo::decode(reply.data(), reply.size());
  ASSERT_EQ(info.parts.size(), 3u);
  EXPECT_EQ(info.parts[0].name, "train");
  EXPECT_EQ(info.parts[0].rows, 1u);
  EXPECT_EQ(info.parts[0].bytes, 3u);

  int32_t tokens[5], targets[5], positions[5], first_key[5];
  const corral_batch batch{CORRAL_SIZE(corral_batch), tokens, targets, positions, first_key};
  ASSERT_EQ(data_->fetch(instance, 0, 7, 1, &batch), CORRAL_OK);
  const auto list = [](const int32_t* values) { return std::vector<int32_t>(values, values + 5); };
  EXPECT_EQ(list(tokens), (std::vector<int32_t>{'a', 'b', 256, 'c', 'd'}));
  EXPECT_EQ(list(targets), (std::vector<int32_t>{'b', 256, 'c', 'd', 256}));
  EXPECT_EQ(list(positions), (std::vector<int32_t>{0, 1, 2, 0, 1}));
  EXPECT_EQ(list(first_key), (std::vector<int32_t>{0, 0, 0, 3, 3}));
  EXPECT_EQ(data_->fetch(instance, 5, 0, 1, &batch), CORRAL_BUG);
  EXPECT_EQ(data_->close(instance), CORRAL_OK);
}

TEST_F(TextPlugin, CallsBadDataTheUsersInput) {
  const TestFiles files;
  corral::DatasetRequest request;
  request.paths = {files.write("a.jsonl", "{\"text\": 5}\n")};
  request.seq_length = 5;
  corral_dataset_instance* instance = nullptr;
  EXPECT_EQ(open(request, &instance), CORRAL_INVALID);
  EXPECT_EQ(last_error, request.paths[0] + ":1: column 10: \"text\" is no string");
  EXPECT_EQ(instance, nullptr);
}
}  // namespace
