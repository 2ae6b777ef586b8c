#include "plugins/tokenizer/common/tokenizer_json.h"

#include <random>

#include "plugins/tokenizer/common/bpe.h"
#include "plugins/tokenizer/common/test_files.h"
#include "plugins/tokenizer/common/tokenizer_files.h"
#include "plugins/tokenizer/common/tokenizer_model.h"
#include "plugins/tokenizer/common/trainer.h"

namespace corral::tokenizer {
namespace {
using nlohmann::json;

// A byte vocabulary with the words "ab" and "abc" and 16 special tokens.
const json& small() {
  static const json content = [] {
    bool given = false;
    const Definition d =
        train({.vocab_size = 274, .threads = 1}, [&](std::string_view& text) { return text = "abc abc", !std::exchange(given, true); });
    return json::parse(make_tokenizer_files(d, "<|end_of_text|>")[0].content);
  }();
  return content;
}

std::string error_of(const json& content) {
  return message_of([&] { parse_tokenizer_json(content.dump(), "f"); });
}

TEST(TokenizerJson, RefusesByNameWhatItDoesNotUnderstand) {
  const std::vector<std::tuple<std::string, json, std::string>> cases{
      {"/model/type", "Unigram", "f: model.type is \"Unigram\", expected \"BPE\""},
      {"/model/dropout", 0.1, "f: model.dropout is 0.1, expected null"},
      {"/model/byte_fallback", true, "f: model.byte_fallback is true, expected false"},
      {"/model/end_of_word_suffix", "</w>", "f: model.end_of_word_suffix is \"</w>\", expected \"\""},
      {"/model/ignore_merges", 1, "f: model.ignore_merges is 1, expected true or false"},
      {"/normalizer", {{"type", "NFC"}}, "f: normalizer is {\"type\":\"NFC\"}, expected null"},
      {"/pre_tokenizer",
       {{"type", "Whitespace"}},
       "f: pre_tokenizer is {\"type\":\"Whitespace\"}, expected a Sequence of Split, by a regular expression, and "
       "ByteLevel"},
      {"/pre_tokenizer/pretokenizers/0/behavior", "Removed",
       "f: pre_tokenizer.pretokenizers[0].behavior is \"Removed\", expected \"Isolated\""},
      {"/pre_tokenizer/pretokenizers/1/use_regex", true, "f: pre_tokenizer.pretokenizers[1].use_regex is true, expected false"},
      {"/pre_tokenizer/pretokenizers/1/add_prefix_space", true,
       "f: pre_tokenizer.pretokenizers[1].add_prefix_space is true, expected false"},
      {"/decoder", {{"type", "Metaspace"}}, "f: decoder is {\"type\":\"Metaspace\"}, expected {\"type\": \"ByteLevel\"}"},
      {"/post_processor", {{"type", "BertProcessing"}}, "f: post_processor is {\"type\":\"BertProcessing\"}, expected TemplateProcessing"},
      {"/added_tokens/0/lstrip", true, "f: added_tokens[0].lstrip is true, expected false"},
      {"/added_tokens/2/single_word", true, "f: added_tokens[2].single_word is true, expected false"},
  };
  ASSERT_EQ(error_of(small()), "no error");
  for (const auto& [where, value, message] : cases) {
    json content = small();
    content[json::json_pointer(where)] = value;
    EXPECT_EQ(error_of(content), message);
  }
}

TEST(TokenizerJson, SaysWhichTokenOrMergeIsWrong) {
  const std::vector<std::pair<std::function<void(json&)>, std::string>> cases{
      {[](json& c) { c["model"]["vocab"]["!"] = 4000000000u; },
       "f: model.vocab[\"!\"] = 4000000000, but there are 258 tokens: ids go from 0 without a gap"},
      {[](json& c) { c["model"]["vocab"]["\\"] = 0; }, "f: model.vocab[\"\\\\\"] = 0, an id that another token has"},
      {[](json& c) { c["model"]["vocab"]["!"] = -1; }, "f: model.vocab[\"!\"] is -1, expected an id"},
      {[](json& c) { c["model"]["vocab"]["!"] = "x"; }, "f: model.vocab[\"!\"] is the string \"x\", expected an id"},
      {[](json& c) { c["model"]["vocab"]["!"] = json::array(); }, "f: model.vocab[\"!\"] is a list, expected an id"},
      {[](json& c) { c["model"]["vocab"].erase("!"), c["model"]["vocab"]["??"] = 0; },
       "f: model.vocab has no token for the byte 33, \"!\": expected a byte-level vocabulary"},
      {[](json& c) { c["model"]["vocab"] = json::object(); }, "f: model.vocab is empty"},
      {[](json& c) { c["model"]["vocab"] = json::array(); }, "f: model.vocab is missing or not an object"},
      {[](json& c) { c["model"].erase("merges"); }, "f: model.merges is missing or not a list"},
      {[](json& c) { c.erase("model"); }, "f: model is missing"},
      {[](json& c) {
         c["model"]["merges"].push_back({"a", "zz"});
       },
       "f: model.merges[2]: \"zz\" is not a token of model.vocab"},
      {[](json& c) { c["model"]["merges"].push_back("b a"); }, "f: model.merges[2]: \"ba\" is not a token of model.vocab"},
      {[](json& c) { c["model"]["merges"].push_back("a b c"); },
       "f: model.merges[2] is the string \"a b c\", expected \"LEFT RIGHT\" or [\"LEFT\", \"RIGHT\"]"},
      {[](json& c) { c["model"]["merges"].push_back({"a"}); }, "f: model.merges[2] has 1 parts, expected 2"},
      {[](json& c) {
         c["model"]["merges"].push_back({"a", "b", "c"});
       },
       "f: model.merges[2] has more than 2 parts"},
      {[](json& c) { c["model"]["merges"].push_back(7); }, "f: model.merges[2] is 7, expected \"LEFT RIGHT\" or [\"LEFT\", \"RIGHT\"]"},
      {[](json& c) { c["added_tokens"][3]["id"] = 500; }, "f: added_tokens[3].id = 500, expected 261 for \"<|reserved_special_token_1|>\""},
      {[](json& c) { c["added_tokens"][1]["content"] = "<|begin_of_text|>"; }, "f: added_tokens[1]: \"<|begin_of_text|>\" appears twice"},
      {[](json& c) { c["added_tokens"][1]["content"] = ""; }, "f: added_tokens[1].content is \"\", expected a string"},
      {[](json& c) { c["added_tokens"] = 3; }, "f: added_tokens is 3, expected a list"},
      {[](json& c) { c["post_processor"]["special_tokens"]["<|begin_of_text|>"]["ids"] = {999}; },
       "f: post_processor.special_tokens[\"<|begin_of_text|>\"].ids has 999, but ids go from 0 to 273"},
      {[](json& c) { c["post_processor"]["special_tokens"]["<|begin_of_text|>"]["ids"] = std::vector<int>(17, 3); },
       "f: post_processor.special_tokens[\"<|begin_of_text|>\"]: more than 16 tokens around a text"},
      {[](json& c) { c["post_processor"]["single"].erase(1); }, "f: post_processor.single: the text itself, sequence \"A\", is missing"},
  };
  for (const auto& [change, message] : cases) {
    json content = small();
    change(content);
    EXPECT_EQ(error_of(content), message);
  }
}

TEST(TokenizerJson, RefusesWhatIsNoJsonWhereverItEndsAndHoweverDeepItIs) {
  const std::string whole = small().dump();
  for (size_t size = 0; size < whole.size(); size += 1 + size / 50) {
    const std::string message = message_of([&] { parse_tokenizer_json(whole.substr(0, size), "f"); });
    EXPECT_TRUE(message.starts_with("f: not JSON at byte ")) << size << " " << message;
  }
  EXPECT_EQ(message_of([] { parse_tokenizer_json(std::string(1 << 20, '['), "f"); }), "f: nested more than 32 deep");
  EXPECT_EQ(message_of([] { parse_tokenizer_json("[]", "f"); }), "f: expected an object");
  EXPECT_EQ(message_of([] { parse_tokenizer_json(R"({"model": {"vocab": {}, "vocab": {}}})", "f"); }),
            "f: \"vocab\" appears twice in one object");
}

TEST(TokenizerJson, ReadsMergesAsTextsAndAsPairsAndAVocabularyBehindThem) {
  json content = small();
  const Definition pairs = parse_tokenizer_json(content.dump(), "f");
  for (json& merge : content["model"]["merges"]) merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  nlohmann::ordered_json turned;
  turned["model"]["merges"] = content["model"]["merges"];
  turned["model"]["vocab"] = content["model"]["vocab"];
  for (const auto& [key, value] : content.items())
    if (key != "model") turned[key] = value;
  turned["model"]["ignore_merges"] = true;
  const Definition texts = parse_tokenizer_json(turned.dump(), "f");
  EXPECT_EQ(texts.tokens, pairs.tokens);
  ASSERT_EQ(texts.merges.size(), 2u);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(texts.merges[i].result, pairs.merges[i].result);
}

TEST(Encoder, PutsTheTemplatesTokensAroundATextOnlyWhereItIsAskedTo) {
  json content = small();
  content["post_processor"]["single"].push_back({{"SpecialToken", {{"id", "<|begin_of_text|>"}, {"type_id", 0}}}});
  const Encoder encoder(parse_tokenizer_json(content.dump(), "f"));
  EXPECT_EQ(ids_of(encoder, "abc", {.add_special = true}), (std::vector<int32_t>{258, 257, 258}));
  EXPECT_EQ(ids_of(encoder, "abc"), (std::vector<int32_t>{257}));
}

TEST(Encoder, TakesTheMergesOrTheWholePieceAsIgnoreMergesSays) {
  json content = small();
  content["model"]["merges"].erase(1);  // "abc" is now a token that no merge makes
  EXPECT_EQ(ids_of(Encoder(parse_tokenizer_json(content.dump(), "f")), "abc").size(), 1u);
  content["model"]["ignore_merges"] = false;
  EXPECT_EQ(ids_of(Encoder(parse_tokenizer_json(content.dump(), "f")), "abc").size(), 2u);
}

TEST(Encoder, FindsTheLeftmostLongestAddedTokenAndNormalizedOnesInWhatIsLeft) {
  json content = small();
  const auto add = [&](const char* text, bool normalized) {
    json token = content["added_tokens"][0];
    token["id"] = 274 + content["added_tokens"].size() - 16;
    token["content"] = text;
    token["normalized"] = normalized;
    content["added_tokens"].push_back(token);
  };
  add("xx", false), add("xxy", false), add("yz", false), add("zab", true);
  const Encoder encoder(parse_tokenizer_json(content.dump(), "f"));
  EXPECT_EQ(ids_of(encoder, "xxyz"), (std::vector<int32_t>{275, ids_of(encoder, "z")[0]}));
  EXPECT_EQ(ids_of(encoder, "xxx")[0], 274);
  EXPECT_EQ(ids_of(encoder, "yzab"), (std::vector<int32_t>{276, ids_of(encoder, "ab")[0]}));  // the other token begins one byte later
  EXPECT_EQ(ids_of(encoder, "zabc")[0], 277);
  EXPECT_EQ(ids_of(encoder, "xx", {.plain = true}).size(), 2u);
}

TEST(Encoder, LeavesABytesTokenToTheByteWhereItIsAnAddedTokenToo) {
  json content = small();
  const auto id = content["model"]["vocab"]["\u00ef"].get<int32_t>();  // the letter of the byte EF
  content["added_tokens"].push_back({{"id", id}, {"content", "\u00ef"}});
  const Encoder encoder(parse_tokenizer_json(content.dump(), "f"));
  EXPECT_EQ(ids_of(encoder, "\u00ef"), (std::vector<int32_t>{id}));
  const std::string text = "\uFF01";  // EF BC 81
  EXPECT_EQ(ids_of(encoder, text)[0], id);
  EXPECT_EQ(text_of(encoder, ids_of(encoder, text)), text);
}

// The definition: merge the pair of the lowest rank, among equals the leftmost, until no pair has a rank.
std::vector<int32_t> merge_slowly(std::vector<int32_t> ids, const MergeTable& merges) {
  for (;;) {
    MergeTable::Found best;
    size_t at = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i)
      if (const MergeTable::Found found = merges.find(ids[i], ids[i + 1]); found.rank < best.rank) best = found, at = i;
    if (best.rank == MergeTable::kNone) return ids;
    ids[at] = best.result;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(at) + 1);
  }
}

TEST(Merge, FollowsItsDefinitionForPiecesOfAnyLength) {
  const std::string file = kGolden + "/small/tokenizer.json";
  const Definition d = parse_tokenizer_json(read_file(file), file);
  const MergeTable merges(d.merges);
  std::mt19937 random(2);
  MergeRoom room;
  size_t merged = 0;
  for (size_t size = 1; size < 300; ++size) {
    std::vector<int32_t> ids(size);
    for (int32_t& id : ids) id = static_cast<int32_t>(64 + random() % (size % 3 == 0 ? 3 : 26));  // of three letters or of all
    const std::vector<int32_t> expected = merge_slowly(ids, merges);
    merged += size - expected.size();
    ids.resize(merge(ids, merges, room));
    ASSERT_EQ(ids, expected) << size;
  }
  EXPECT_GT(merged, 10000u);
}

TEST(Encoder, TakesTimeInProportionForOnePieceOfMegabytes) {
  const std::string file = kGolden + "/small/tokenizer.json";
  const Encoder encoder(parse_tokenizer_json(read_file(file), file));
  const std::string letters(3 << 20, 'a');
  EXPECT_EQ(text_of(encoder, ids_of(encoder, letters)), letters);  // quadratic merging would take hours
}

TEST(Encoder, RefusesTextThatIsNoUtf8AndIdsThatAreNotThere) {
  const Encoder encoder(parse_tokenizer_json(small().dump(), "f"));
  EXPECT_EQ(message_of([&] { ids_of(encoder, "ab\xC3"); }), "the text is not UTF-8 at byte 2");
  EXPECT_EQ(message_of([&] { encoder.bytes_of(274, false); }), "id 274: the tokenizer has ids 0 to 273");
  EXPECT_EQ(message_of([&] { encoder.bytes_of(-1, false); }), "id -1: the tokenizer has ids 0 to 273");
}

TEST(Encoder, ReplacesWhatIsNoUtf8PartByPart) {
  EXPECT_EQ(replace_invalid_utf8("a\xE2\x82|\xF0\x9F\x98|\xED\xA0\x80|\xC0\xAF"),
            "a\xEF\xBF\xBD|\xEF\xBF\xBD|\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(TokenizerModel, SaysWhichLineIsWrong) {
  const std::string good = read_file(kGolden + "/small/tokenizer.model");
  const auto error = [&](const std::string& content) { return message_of([&] { parse_tokenizer_model(content, "m", "3.1"); }); };
  EXPECT_EQ(error(good), "no error");
  EXPECT_EQ(error("IQ== 0\nIg=! 1\n"), "m:2: expected a token in base64, a blank and its rank");
  EXPECT_EQ(error("IQ== 0\nIg==\n"), "m:2: expected a token in base64, a blank and its rank");
  EXPECT_EQ(error("IQ== 0\nIg== 7\n"), "m:2: rank 7, but there are 2 tokens: ranks go from 0 without a gap");
  EXPECT_EQ(error("IQ== 0\nIg== 0\n"), "m:2: rank 0 appears twice");
  EXPECT_EQ(error("IQ== 0\nIQ== 1\n"), "m: the token of rank 1 appears twice");
  EXPECT_EQ(error("IQ== 0\n"), "m: no token for the byte 0");
  EXPECT_EQ(message_of([&] { parse_tokenizer_model(good, "m", "4"); }), "tokenizer.special_tokens = \"4\": expected 3 or 3.1");
}

}  // namespace
}  // namespace corral::tokenizer
