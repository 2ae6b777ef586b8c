// Tests the plugin as the host uses it: through its one symbol and the C ABI.
#include <thread>

#include "corral/test_host.h"
#include "plugin.wire.h"
#include "plugins/tokenizer/common/test_files.h"

namespace corral::tokenizer {
namespace {

class HfTokenizer : public testing::Test {
 protected:
  void TearDown() override {
    if (instance_) {
      EXPECT_EQ(hf_->close(instance_), CORRAL_OK);
    }
    host_.unload();
  }

  corral_status open(const std::string& path) { return hf_->open(path.c_str(), nullptr, 0, &instance_); }
  std::vector<int32_t> encode(std::string_view text, uint64_t flags) {
    std::vector<int32_t> ids(text.size() + 16);
    uint64_t count = 0;
    EXPECT_EQ(hf_->encode(instance_, text.data(), text.size(), flags, ids.data(), ids.size(), &count), CORRAL_OK) << host_.sentence();
    ids.resize(count);
    return ids;
  }
  std::string decode(const std::vector<int32_t>& ids, uint64_t flags) {
    return host_.ask(hf_->decode, instance_, ids.data(), static_cast<uint64_t>(ids.size()), flags);
  }
  template <class Message, class Call, class Argument>
  Message ask(Call call, Argument argument) {
    const std::string reply = host_.ask(call, argument);
    return Message::decode(reply.data(), reply.size());
  }

  TestHost host_{CORRAL_BINARY_DIR "/plugins/tokenizer/hf/hf.so", CORRAL_TOKENIZER_ID};
  const corral_tokenizer* hf_ = &host_.table<corral_tokenizer>();
  corral_tokenizer_instance* instance_ = nullptr;
};

const std::string kSmall = kGolden + "/small";

TEST_F(HfTokenizer, SaysWhichIdsBeginAndEndATextAndGivesItsFilesByteForByte) {
  EXPECT_EQ(ask<Probe>(hf_->probe, kSmall.c_str()).confidence, 100u);
  EXPECT_EQ(ask<Probe>(hf_->probe, "/").confidence, 0u);
  ASSERT_EQ(open(kSmall), CORRAL_OK) << host_.sentence();
  const auto info = ask<TokenizerInfo>(hf_->info, instance_);
  EXPECT_EQ(info.num_ids, 4096u);
  EXPECT_EQ(info.bos_ids, (std::vector<int64_t>{3840}));
  EXPECT_EQ(info.eos_ids, (std::vector<int64_t>{3849, 3841, 3848}));  // the configuration's first, then the others
  EXPECT_EQ(info.end_of_text_id, 3841);
  EXPECT_EQ(info.special_tokens.size(), 256u);
  EXPECT_EQ(info.special_ids[0], 3840);
  const auto files = ask<FileList>(hf_->files, instance_);
  ASSERT_EQ(files.files.size(), 4u);
  for (const NamedFile& file : files.files) EXPECT_EQ(file.content, read_file(kSmall + "/" + file.name)) << file.name;
}

TEST_F(HfTokenizer, MakesTheFilesThatOthersWantOfATokenizerModelAlone) {
  const std::string model = kSmall + "/tokenizer.model";
  ASSERT_EQ(open(model), CORRAL_OK) << host_.sentence();
  EXPECT_EQ(ask<TokenizerInfo>(hf_->info, instance_).bos_ids, (std::vector<int64_t>{3840}));
  const ScratchFolder scratch;
  std::filesystem::copy_file(model, scratch.path("tokenizer.model"));
  EXPECT_EQ(hf_->close(std::exchange(instance_, nullptr)), CORRAL_OK);
  ASSERT_EQ(open(scratch.path("tokenizer.model")), CORRAL_OK) << host_.sentence();
  const auto files = ask<FileList>(hf_->files, instance_);
  ASSERT_EQ(files.files.size(), 4u);
  EXPECT_EQ(files.files[0].content, read_file(model));
  ASSERT_EQ(files.files[1].name, "tokenizer.json");
  // Equal to the golden, which another library made of the same ranks.
  const auto merges = [](const std::string& content) {
    std::vector<std::string> all;
    for (const nlohmann::json& merge : nlohmann::json::parse(content)["model"]["merges"])
      all.push_back(merge.is_string() ? merge.get<std::string>() : merge[0].get<std::string>() + " " + merge[1].get<std::string>());
    return all;
  };
  EXPECT_EQ(merges(files.files[1].content), merges(read_file(kSmall + "/tokenizer.json")));
}

TEST_F(HfTokenizer, TakesSpecialTokensInTextUnlessItIsPlain) {
  ASSERT_EQ(open(kSmall), CORRAL_OK) << host_.sentence();
  EXPECT_EQ(encode("a<|eot_id|>", 0), (std::vector<int32_t>{64, 3849}));
  EXPECT_EQ(encode("a", CORRAL_ADD_SPECIAL), (std::vector<int32_t>{3840, 64}));
  EXPECT_GT(encode("a<|eot_id|>", CORRAL_PLAIN_TEXT).size(), 3u);
  EXPECT_EQ(decode(encode("a<|eot_id|>", CORRAL_PLAIN_TEXT), CORRAL_SKIP_SPECIAL), "a<|eot_id|>");
  EXPECT_EQ(decode({3840, 64, 3849}, CORRAL_SKIP_SPECIAL), "a");
  EXPECT_EQ(decode({3840, 64, 3849}, 0), "<|begin_of_text|>a<|eot_id|>");
}

TEST_F(HfTokenizer, GivesRawBytesOfOneIdAndWholeCharactersOfMany) {
  ASSERT_EQ(open(kSmall), CORRAL_OK) << host_.sentence();
  const std::string text = "\xF0\x9F\x98\x80";
  std::string bytes;
  for (const int32_t id : encode(text, 0)) bytes += host_.ask(hf_->bytes_of, instance_, id, uint64_t{0});
  EXPECT_EQ(bytes, text);
  std::vector<int32_t> ids = encode(text, 0);
  ASSERT_GT(ids.size(), 1u);
  ids.pop_back();
  EXPECT_EQ(decode(ids, 0), "\xEF\xBF\xBD");
}

TEST_F(HfTokenizer, NeedsNoMoreRoomThanTheTextHasBytesAnd16) {
  ASSERT_EQ(open(kSmall), CORRAL_OK) << host_.sentence();
  int32_t ids[4];
  uint64_t count = 0;
  EXPECT_EQ(hf_->encode(instance_, "qzxj", 4, 0, ids, 2, &count), CORRAL_NO_SPACE);
  EXPECT_EQ(hf_->encode(instance_, "\xFF", 1, 0, ids, 4, &count), CORRAL_INVALID);
  const int32_t none = 4096;
  EXPECT_THROW(host_.ask(hf_->decode, instance_, &none, uint64_t{1}, uint64_t{0}), Error);
  EXPECT_EQ(encode("", CORRAL_ADD_SPECIAL).size(), 1u);
  EXPECT_EQ(encode("", 0).size(), 0u);
}

TEST_F(HfTokenizer, EncodesFromManyThreadsAtOnce) {
  ASSERT_EQ(open(kSmall), CORRAL_OK) << host_.sentence();
  const auto ids_in = [&](int number) {
    std::vector<int32_t> all;
    for (int i = 0; i < 300; ++i) {
      const std::vector<int32_t> ids = encode("word" + std::to_string(number * i) + " and others", 0);
      all.insert(all.end(), ids.begin(), ids.end());
    }
    return all;
  };
  std::vector<std::vector<int32_t>> alone, together(4);
  for (int t = 0; t < 4; ++t) alone.push_back(ids_in(t));
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) threads.emplace_back([&, t] { together[static_cast<size_t>(t)] = ids_in(t); });
  }
  EXPECT_EQ(together, alone);
}

TEST_F(HfTokenizer, TrainsIntoAFolderThatIsWholeOrNotThere) {
  const ScratchFolder scratch;
  TokenizerTrainRequest request;
  request.vocab_size = 274;
  request.out = scratch.path("tok");
  request.threads = 2;
  struct Source {
    int left;
    bool fails;
  };
  const auto next = [](const corral_text_source* from, const char** text, uint64_t* size) -> corral_status {
    auto* source = static_cast<Source*>(from->context);
    if (source->fails) return CORRAL_ENVIRONMENT;
    *text = source->left-- > 0 ? "abc abc" : nullptr;
    *size = *text ? 7 : 0;
    return CORRAL_OK;
  };
  std::string trained;
  const auto train = [&](Source source) {
    const corral_text_source lent{CORRAL_SIZE(corral_text_source), &source, next};
    const std::string bytes = request.encode();
    try {
      trained = host_.ask(hf_->train, bytes.data(), static_cast<uint64_t>(bytes.size()), &lent);
      return 0;
    } catch (const Error& e) {
      return e.exit_code();
    }
  };
  EXPECT_EQ(train({1, true}), 3);
  EXPECT_FALSE(std::filesystem::exists(request.out));
  ASSERT_EQ(train({3, false}), 0) << host_.sentence();
  EXPECT_EQ(FileList::decode(trained.data(), trained.size()).files.size(), 3u);
  EXPECT_FALSE(std::filesystem::exists(request.out + ".partial"));
  EXPECT_EQ(train({3, false}), 2);
  EXPECT_EQ(host_.sentence(), request.out + ": exists and is not an empty folder: name a new one");
  ASSERT_EQ(open(request.out), CORRAL_OK) << host_.sentence();
  EXPECT_EQ(encode("abc", CORRAL_ADD_SPECIAL), (std::vector<int32_t>{258, 257}));
}

TEST_F(HfTokenizer, RefusesAConfigurationThatNamesATokenThatIsNotThere) {
  const ScratchFolder scratch;
  scratch.write("tokenizer.json", read_file(kSmall + "/tokenizer.json"));
  scratch.write("tokenizer_config.json", R"({"eos_token": {"content": "</s>"}})");
  EXPECT_EQ(open(scratch.path()), CORRAL_INVALID);
  EXPECT_EQ(host_.sentence(), scratch.path() + "/tokenizer_config.json: eos_token = \"</s>\" is not a token of the tokenizer");
  scratch.write("tokenizer_config.json", "[1]");
  EXPECT_EQ(open(scratch.path()), CORRAL_INVALID);
  EXPECT_EQ(host_.sentence(), scratch.path() + "/tokenizer_config.json: expected an object");
  EXPECT_EQ(open("/nowhere"), CORRAL_INVALID);
}

}  // namespace
}  // namespace corral::tokenizer
