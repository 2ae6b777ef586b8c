// Tests the plugin as the host uses it: through its one symbol and the C ABI.
#include <gtest/gtest.h>

#include "corral/test_host.h"
#include "options.wire.h"
#include "plugin.wire.h"
#include "plugins/dataset/common/test_files.h"

namespace {
using corral::data::TestFiles;

// One id per byte.
corral_status encode_bytes(const corral_encoder*, const char* text, uint64_t size, uint64_t, int32_t* ids, uint64_t capacity,
                           uint64_t* count) {
  if (capacity < size) return CORRAL_NO_SPACE;
  for (uint64_t i = 0; i < size; ++i) ids[i] = static_cast<unsigned char>(text[i]);
  *count = size;
  return CORRAL_OK;
}

class TextPlugin : public testing::Test {
 protected:
  void TearDown() override { host_.unload(); }

  corral_status open(const corral::DatasetRequest& request, corral_dataset_instance** instance) {
    const std::string bytes = request.encode();
    return data_->open(bytes.data(), bytes.size(), &encoder_, instance);
  }

  corral::TestHost host_{CORRAL_BINARY_DIR "/plugins/dataset/text/text.so", CORRAL_DATASET_ID};
  const corral_dataset* data_ = &host_.table<corral_dataset>();
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
  ASSERT_EQ(open(request, &instance), CORRAL_OK) << host_.sentence();

  const std::string reply = host_.ask(data_->info, instance);
  const corral::DatasetInfo info = corral::DatasetInfo::decode(reply.data(), reply.size());
  ASSERT_EQ(info.parts.size(), 3u);
  EXPECT_EQ(info.parts[0].name, "train");
  EXPECT_EQ(info.parts[0].rows, 1u);
  EXPECT_EQ(info.parts[0].bytes, 3u);
  EXPECT_EQ(info.texts, 0u) << "a row contains as many as fit";

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

TEST_F(TextPlugin, PromisesOneTextARowWhereDocumentsSeeEachOther) {
  const TestFiles files;
  corral::DatasetRequest request;
  request.paths = {files.write("a.jsonl", "{\"text\": \"ab\"}\n{\"text\": \"cd\"}\n")};
  request.split = "1";
  request.seq_length = 3;
  request.end_of_text_id = 256;
  request.num_ids = 257;
  corral_dataset_instance* instance = nullptr;
  ASSERT_EQ(open(request, &instance), CORRAL_OK) << host_.sentence();
  const std::string reply = host_.ask(data_->info, instance);
  EXPECT_EQ(corral::DatasetInfo::decode(reply.data(), reply.size()).texts, 1u);
  EXPECT_EQ(data_->close(instance), CORRAL_OK);
}

TEST_F(TextPlugin, CallsBadDataTheUsersInput) {
  const TestFiles files;
  corral::DatasetRequest request;
  request.paths = {files.write("a.jsonl", "{\"text\": 5}\n")};
  request.seq_length = 5;
  corral_dataset_instance* instance = nullptr;
  EXPECT_EQ(open(request, &instance), CORRAL_INVALID);
  EXPECT_EQ(host_.sentence(), request.paths[0] + ":1: column 10: \"text\" is not a string");
  EXPECT_EQ(instance, nullptr);
}
}  // namespace
