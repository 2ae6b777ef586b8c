// Tests the plugin as the host uses it: through its one symbol and the C ABI.
#include <gtest/gtest.h>

#include <numeric>

#include "corral/test_host.h"
#include "options.wire.h"
#include "plugin.wire.h"
#include "plugins/dataset/common/test_files.h"
#include "plugins/dataset/sft/test_encoder.h"

namespace {
using corral::data::TestFiles;
using namespace corral::sft;

bool knows_marks = true;

corral_status encode(const corral_encoder*, const char* text, uint64_t size, uint64_t, int32_t* ids, uint64_t capacity, uint64_t* count) {
  std::vector<int32_t> all;
  if (knows_marks)
    encode_marked({text, size}, all);
  else
    for (const char c : std::string_view(text, size)) all.push_back(static_cast<unsigned char>(c));
  if (capacity < all.size()) return CORRAL_NO_SPACE;
  std::copy(all.begin(), all.end(), ids);
  *count = all.size();
  return CORRAL_OK;
}

class SftPlugin : public testing::Test {
 protected:
  void SetUp() override { knows_marks = true; }
  void TearDown() override {
    if (instance_) EXPECT_EQ(data_->close(instance_), CORRAL_OK);
    host_.unload();
  }

  static corral::DatasetRequest request(const std::string& file, int64_t seq_length) {
    corral::DatasetRequest r;
    r.paths = {file};
    r.split = "1";
    r.seq_length = seq_length;
    r.end_of_text_id = kEndOfText;
    r.num_ids = 261;
    r.chat_template = "<|start_header_id|> mine <|eot_id|>";
    return r;
  }
  corral_status open(const corral::DatasetRequest& r) {
    const std::string bytes = r.encode();
    return data_->open(bytes.data(), bytes.size(), &encoder_, &instance_);
  }
  corral::DatasetInfo info() {
    const std::string reply = host_.ask(data_->info, instance_);
    return corral::DatasetInfo::decode(reply.data(), reply.size());
  }

  corral::TestHost host_{CORRAL_BINARY_DIR "/plugins/dataset/sft/sft.so", CORRAL_DATASET_ID};
  const corral_dataset* data_ = &host_.table<corral_dataset>();
  corral_dataset_instance* instance_ = nullptr;
  corral_encoder encoder_{CORRAL_SIZE(corral_encoder), nullptr, encode};
};

std::string many_rows(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i)
    lines += R"({"input": ")" + std::string(static_cast<size_t>(1 + i % 17), static_cast<char>('a' + i % 26)) + R"(", "output": ")" +
             std::to_string(i) + "\"}\n";
  return lines;
}

TEST_F(SftPlugin, SaysTheFormTheTemplateWhatIsCutAndTheShareOfPadding) {
  const TestFiles files;
  const std::string file = files.write("a.jsonl", R"({"prompt": "q", "completion": "a"}
{"prompt": "q", "completion": "a much longer answer than fits into the eighty places of a row"})");
  corral::DatasetRequest r = request(file, 80);
  r.packed = true;
  ASSERT_EQ(open(r), CORRAL_OK) << host_.sentence();
  const corral::DatasetInfo i = info();
  EXPECT_EQ(i.notices,
            (std::vector<std::string>{
                file + ": rows of prompt, completion, written as chats with the template llama3 (recognized in the tokenizer's own)",
                "2 samples, 107 tokens, 59 of them trained; 1 cut to train.seq_length = 80",
                "train: 2 samples packed into 2 rows of 80, 34.38% padding"}));
  EXPECT_EQ(i.chat_template, r.chat_template);
  EXPECT_EQ(i.stop_ids, (std::vector<int64_t>{kEndOfTurn}));
  EXPECT_EQ(i.parts[0].targets, 59u);
}

TEST_F(SftPlugin, EveryEpochHasEveryRowOnceInAnotherOrderAndAnyRowIsFoundAtOnce) {
  const TestFiles files;
  corral::DatasetRequest r = request(files.write("a.jsonl", many_rows(200)), 64);
  r.shuffle = true;
  r.packed = true;
  r.seed = 5;
  ASSERT_EQ(open(r), CORRAL_OK) << host_.sentence();
  const uint64_t rows = info().parts[0].rows;
  ASSERT_GT(rows, 10u);
  std::vector<std::vector<std::vector<int32_t>>> epochs(2);
  std::vector<int32_t> tokens(64), targets(64), positions(64), first_key(64);
  const corral_batch batch{CORRAL_SIZE(corral_batch), tokens.data(), targets.data(), positions.data(), first_key.data()};
  for (uint64_t n = 0; n < 2 * rows; ++n) {
    ASSERT_EQ(data_->fetch(instance_, 0, n, 1, &batch), CORRAL_OK);
    epochs[n / rows].push_back(tokens);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  ASSERT_EQ(data_->fetch(instance_, 0, rows + 3, 1, &batch), CORRAL_OK);
  EXPECT_EQ(tokens, epochs[1][3]);
  for (auto& epoch : epochs) std::sort(epoch.begin(), epoch.end());
  EXPECT_EQ(epochs[0], epochs[1]);
}

TEST_F(SftPlugin, PackedAndUnpackedRowsHaveTheSameTargets) {
  const TestFiles files;
  const auto targets_of = [&](bool packed) {
    corral::DatasetRequest r = request(files.write("a.jsonl", many_rows(100)), 64);
    r.packed = packed;
    r.whole = true;
    EXPECT_EQ(open(r), CORRAL_OK) << host_.sentence();
    const uint64_t rows = info().parts[0].rows;
    std::vector<int32_t> all[4];
    for (auto& list : all) list.resize(rows * 64);
    const corral_batch batch{CORRAL_SIZE(corral_batch), all[0].data(), all[1].data(), all[2].data(), all[3].data()};
    EXPECT_EQ(data_->fetch(instance_, 0, 0, rows, &batch), CORRAL_OK);
    EXPECT_EQ(data_->close(instance_), CORRAL_OK);
    instance_ = nullptr;
    // For each target, the tokens that predict it: those of its row that it may see.
    std::vector<std::vector<int32_t>> found;
    for (size_t i = 0; i < all[1].size(); ++i) {
      if (all[1][i] < 0) continue;
      const size_t row = i / 64 * 64;
      std::vector<int32_t> seen(all[0].begin() + static_cast<ptrdiff_t>(row) + all[3][i], all[0].begin() + static_cast<ptrdiff_t>(i) + 1);
      EXPECT_EQ(seen.size(), static_cast<size_t>(all[2][i]) + 1);
      seen.push_back(all[1][i]);
      found.push_back(std::move(seen));
    }
    std::sort(found.begin(), found.end());
    return found;
  };
  EXPECT_EQ(targets_of(true), targets_of(false));
}

TEST_F(SftPlugin, RefusesATokenizerWithoutTheMarksOfTheTemplate) {
  const TestFiles files;
  knows_marks = false;
  EXPECT_EQ(open(request(files.write("a.jsonl", R"({"prompt": "q", "completion": "a"})"), 500)), CORRAL_INVALID);
  EXPECT_EQ(host_.sentence(),
            "the tokenizer has no token <|begin_of_text|>, which the template llama3 writes: use the tokenizer of an Instruct model, or "
            "data.template=none");
}

TEST_F(SftPlugin, RendersAChatAsItsRowsAreWritten) {
  corral::ChatRequest r;
  r.chat_template = "<|start_header_id|> mine <|eot_id|>";
  for (const auto& [role, content] : {std::pair("user", " q "), std::pair("assistant", "a"), std::pair("user", "r")}) {
    corral::ChatMessage m;
    m.role = role;
    m.content = content;
    r.messages.push_back(m);
  }
  r.open_answer = true;
  const std::string bytes = r.encode();
  const std::string reply = host_.ask(data_->render, bytes.data(), static_cast<uint64_t>(bytes.size()), &encoder_);
  const corral::ChatReply got = corral::ChatReply::decode(reply.data(), reply.size());
  std::vector<int32_t> expected;
  encode_marked(
      "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nq<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\na<|eot_id|>"
      "<|start_header_id|>user<|end_header_id|>\n\nr<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
      expected);
  EXPECT_EQ(got.ids, expected);
  EXPECT_EQ(got.stop_ids, (std::vector<int64_t>{kEndOfTurn}));
  EXPECT_EQ(got.taken, "llama3");
}

TEST_F(SftPlugin, CallsBadRowsAndOptionsTheUsersInput) {
  const TestFiles files;
  corral::DatasetRequest r = request(files.write("a.jsonl", R"({"prompt": "q", "completion": 5})"), 500);
  EXPECT_EQ(open(r), CORRAL_INVALID);
  EXPECT_EQ(host_.sentence(), r.paths[0] + ":1: \"completion\" is not a string");
  corral::dataset::sft::Options options;
  options.loss = "assistent";
  r.options = options.encode();
  EXPECT_EQ(open(r), CORRAL_INVALID);
  EXPECT_EQ(host_.sentence(), "data.loss = \"assistent\": expected assistant or all\n       did you mean \"assistant\"?");
}
}  // namespace
