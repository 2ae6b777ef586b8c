// Tests the plugin as the host uses it: through its one symbol and the C ABI.
#include <gtest/gtest.h>

#include "corral/test_host.h"
#include "options.wire.h"
#include "plugins/dataset/indexed/test_pair.h"

namespace {
using corral::data::TestFiles;
using Ids = std::vector<int32_t>;

// Two ids per byte: the byte and 256.
corral_status encode_bytes(const corral_encoder*, const char* text, uint64_t size, uint64_t, int32_t* ids, uint64_t, uint64_t* count) {
  for (uint64_t i = 0; i < size; ++i) ids[i] = static_cast<unsigned char>(text[i]);
  *count = size;
  return CORRAL_OK;
}

class IndexedPlugin : public testing::Test {
 protected:
  const corral_dataset& data() const { return host_.table<corral_dataset>(); }

  corral_sink sink() {
    reply_.clear();
    return {CORRAL_SIZE(corral_sink), &reply_, [](const corral_sink* to, const void* bytes, uint64_t size) -> corral_status {
              static_cast<std::string*>(to->context)->append(static_cast<const char*>(bytes), size);
              return CORRAL_OK;
            }};
  }

  corral::TestHost host_{CORRAL_PLUGIN_FILE, CORRAL_DATASET_ID};
  std::string reply_;
};

TEST_F(IndexedPlugin, BuildsAPairAndGivesItsRows) {
  const TestFiles files;
  const corral_encoder encoder{CORRAL_SIZE(corral_encoder), nullptr, encode_bytes};
  corral::DatasetBuildRequest build;
  build.paths = {files.write("a.jsonl", "{\"text\": \"ab\"}\n{\"text\": \"cd\"}\n")};
  build.out = files.folder() + "/pair";
  build.end_of_text_id = 256;
  build.num_ids = 257;
  const std::string asked = build.encode();
  corral_sink to = sink();
  ASSERT_EQ(data().build(asked.data(), asked.size(), &encoder, &to), CORRAL_OK);
  const corral::DatasetBuildReply built = corral::DatasetBuildReply::decode(reply_.data(), reply_.size());
  EXPECT_EQ(built.documents, 2u);
  EXPECT_EQ(built.tokens, 6u);
  EXPECT_EQ(built.bytes, 4u);
  EXPECT_EQ(built.files, (std::vector<std::string>{build.out + ".bin", build.out + ".idx"}));

  corral::dataset::indexed::Options options;
  options.reset_positions = true;
  options.valid_paths = {built.path};
  options.train_paths = {built.path};
  corral::DatasetRequest request;
  request.options = options.encode();
  request.seq_length = 5;
  request.end_of_text_id = 256;
  request.num_ids = 257;
  const std::string bytes = request.encode();
  corral_dataset_instance* instance = nullptr;
  ASSERT_EQ(data().open(bytes.data(), bytes.size(), nullptr, &instance), CORRAL_OK);
  to = sink();
  ASSERT_EQ(data().info(instance, &to), CORRAL_OK);
  const corral::DatasetInfo info = corral::DatasetInfo::decode(reply_.data(), reply_.size());
  ASSERT_EQ(info.parts.size(), 3u);
  EXPECT_EQ(info.parts[1].name, "validation");
  EXPECT_EQ(info.parts[1].rows, 1u);
  EXPECT_EQ(info.texts, 0u) << "a row contains as many as fit";
  int32_t tokens[5], targets[5], positions[5], first_key[5];
  const corral_batch batch{CORRAL_SIZE(corral_batch), tokens, targets, positions, first_key};
  ASSERT_EQ(data().fetch(instance, 0, 7, 1, &batch), CORRAL_OK);
  const auto list = [](const int32_t* values) { return Ids(values, values + 5); };
  EXPECT_EQ(list(tokens), (Ids{'a', 'b', 256, 'c', 'd'}));
  EXPECT_EQ(list(targets), (Ids{'b', 256, 'c', 'd', 256}));
  EXPECT_EQ(list(positions), (Ids{0, 1, 2, 0, 1}));
  EXPECT_EQ(list(first_key), (Ids{0, 0, 0, 3, 3}));
  EXPECT_EQ(data().fetch(instance, 5, 0, 1, &batch), CORRAL_BUG);
  EXPECT_EQ(data().close(instance), CORRAL_OK);
}

TEST_F(IndexedPlugin, CallsABadPairTheUsersInput) {
  const TestFiles files;
  corral::DatasetRequest request;
  request.paths = {corral::indexed::write_pair(files, "a", {"MMIDIDX", "tokens"})};
  request.seq_length = 5;
  const std::string bytes = request.encode();
  corral_dataset_instance* instance = nullptr;
  EXPECT_EQ(data().open(bytes.data(), bytes.size(), nullptr, &instance), CORRAL_INVALID);
  EXPECT_EQ(instance, nullptr);
}
}  // namespace
