#include "plugins/dataset/indexed/build.h"

#include <random>

#include "corral/error.h"
#include "plugins/dataset/common/test_encoder.h"
#include "plugins/dataset/common/text_data.h"
#include "plugins/dataset/indexed/pair_data.h"
#include "plugins/dataset/indexed/pair_writer.h"
#include "plugins/dataset/indexed/test_pair.h"

namespace corral::indexed {
namespace {
using data::message_of;
using data::TestFiles;
namespace fs = std::filesystem;

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The names of the files beside the inputs.
std::vector<std::string> outputs(const TestFiles& files) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(files.folder()))
    if (const std::string name = entry.path().filename(); name.starts_with("out")) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

std::string texts(int documents) {
  std::mt19937 random(1);
  std::string lines;
  for (int i = 0; i < documents; ++i) lines += "{\"text\": \"" + std::string(random() % 60, 'a') + "qu" + std::to_string(i) + "\"}\n";
  return lines;
}

TEST(BuildPair, GivesTheRowsOfTheTextThatItWasMadeOf) {
  const TestFiles files;
  const std::string text = files.write("a.jsonl", texts(300)), plain = files.write("b.txt", "plain text, one document"),
                    prefix = files.folder() + "/out";
  const Built built = build_pair({.paths = {text, plain}, .prefix = prefix, .threads = 3, .block_bytes = 1000}, data::byte_encoder());
  EXPECT_EQ(built.documents, 301u);
  EXPECT_EQ(built.type, "uint16");
  for (const bool shuffle : {false, true}) {
    const data::TextData expected({.paths = {text, plain}, .split = "1", .shuffle = shuffle, .seed = 3, .seq_length = 11},
                                  data::byte_encoder());
    const PairData data(
        {.paths = {prefix}, .split = "1", .shuffle = shuffle, .seed = 3, .rows = {.seq_length = 11, .num_ids = 301, .end_of_text = 300}});
    EXPECT_EQ(data.parts()[0].tokens, built.tokens);
    EXPECT_EQ(data.parts()[0].rows, expected.parts()[0].rows);
    EXPECT_EQ(data.parts()[0].targets, expected.parts()[0].targets);
    const size_t rows = 2 * expected.parts()[0].rows;  // into the second epoch
    std::vector<int32_t> a(4 * rows * 11), b(a);
    const auto out = [&](std::vector<int32_t>& all) {
      const size_t part = rows * 11;
      return data::BatchOut{all.data(), all.data() + part, all.data() + 2 * part, all.data() + 3 * part};
    };
    expected.fetch(0, 0, rows, out(a));
    data.fetch(0, 0, rows, out(b));
    EXPECT_EQ(a, b);
  }
}

TEST(BuildPair, WritesTheSameBytesWhateverTheThreadsAndBlocks) {
  const TestFiles files;
  const std::string text = files.write("a.jsonl", texts(400));
  std::vector<std::string> seen;
  int number = 0;
  for (const unsigned threads : {1, 2, 7})
    for (const size_t block_bytes : {100, 4096, 1 << 20}) {
      const std::string prefix = files.folder() + "/out" + std::to_string(number++);
      build_pair({.paths = {text}, .prefix = prefix, .threads = threads, .block_bytes = block_bytes}, data::byte_encoder());
      seen.push_back(content(prefix + ".idx") + content(prefix + ".bin"));
      EXPECT_EQ(seen.back(), seen.front());
    }
  EXPECT_EQ(outputs(files).size(), 18u);
}

TEST(BuildPair, TakesTheTypeThatMegatronTakesForTheVocabulary) {
  EXPECT_STREQ(token_type_for(65499).name, "uint16");
  EXPECT_STREQ(token_type_for(65500).name, "int32");
  EXPECT_STREQ(token_type_for(0).name, "int32");
}

TEST(BuildPair, TakesRowsOfIdsAsTheyAre) {
  const TestFiles files;
  const std::string prefix = files.folder() + "/new/folder/out";
  build_pair({.paths = {files.write("a.jsonl", "{\"input_ids\": [70000, 2]}\n{\"input_ids\": [3]}\n")}, .prefix = prefix}, {});
  const TestPair expected = test_pair({{{70000, 2}}, {{3}}}, "int32");
  EXPECT_EQ(content(prefix + ".bin"), expected.tokens);
  EXPECT_EQ(content(prefix + ".idx"), expected.index);
}

TEST(BuildPair, NamesTheFirstBadRowAndLeavesNothing) {
  const TestFiles files;
  const std::string bad = files.write("a.jsonl", texts(200) + "{\"text\": 1}\n" + texts(200) + "bad\n"), prefix = files.folder() + "/out";
  for (int run = 0; run < 20; ++run)
    EXPECT_EQ(message_of([&] { build_pair({.paths = {bad}, .prefix = prefix, .threads = 4, .block_bytes = 300}, data::byte_encoder()); }),
              bad + ":201: column 10: \"text\" is not a string");
  EXPECT_EQ(outputs(files), std::vector<std::string>());
}

TEST(BuildPair, RefusesWhatAPairCannotHold) {
  const TestFiles files;
  const std::string text = files.write("text.jsonl", texts(2)), ids = files.write("ids.jsonl", "{\"input_ids\": [1]}\n"),
                    prefix = files.folder() + "/out";
  const std::string labels = files.write("labels.jsonl", "{\"input_ids\": [1, 2], \"labels\": [-100, 2]}\n"),
                    empty = files.write("empty.jsonl", "\n");
  const auto error_of = [&](const std::vector<std::string>& paths) {
    return message_of([&] { build_pair({.paths = paths, .prefix = prefix, .threads = 4}, data::byte_encoder()); });
  };
  EXPECT_EQ(error_of({labels}),
            labels + ": a row has labels, which a pair cannot store: leave them out, or train on the JSONL file itself");
  EXPECT_EQ(error_of({text, ids}), ids + " has rows of input_ids and " + text + " rows of text: keep the two in separate runs");
  EXPECT_EQ(error_of({empty}), "data.paths: no document in " + empty);
  EXPECT_EQ(error_of({"0.5", text, "0.5", ids}), "data.paths: weights have no effect here: a pair contains each document once");
  EXPECT_EQ(message_of([&] { build_pair({.paths = {text}, .prefix = files.folder() + "/"}, data::byte_encoder()); }),
            "\"" + files.folder() + "/\" is not a prefix for file names: give one such as data/text");
  EXPECT_EQ(outputs(files), std::vector<std::string>());
}

TEST(PairWriter, KeepsAPairThatIsThere) {
  const TestFiles files;
  const std::string prefix = write_pair(files, "out", test_pair({{{1}}}));
  EXPECT_EQ(message_of([&] { PairWriter(prefix, token_type_for(0)); }), prefix + ".idx exists already: name another prefix, or remove it");
  fs::remove(prefix + ".idx");
  EXPECT_EQ(message_of([&] { PairWriter(prefix, token_type_for(0)); }), prefix + ".bin exists already: name another prefix, or remove it");
  EXPECT_EQ(outputs(files), std::vector<std::string>{"out.bin"});
}

TEST(PairWriter, TakesThePlaceOfOneThatWasKilledButNotOfOneAtWork) {
  const TestFiles files;
  const std::string prefix = files.folder() + "/out";
  // The state after a kill between the two renames.
  files.write("out.bin", "old");
  files.write("out.bin.partial", "older");
  files.write("out.idx.partial", "old");
  PairWriter writer(prefix, type_named("uint8"));
  EXPECT_EQ(outputs(files), std::vector<std::string>{"out.bin.partial"});
  EXPECT_EQ(message_of([&] { PairWriter(prefix, token_type_for(0)); }), prefix + ".bin.partial is being written by another process");
  writer.add("\1\2", {2});
  writer.finish();
  EXPECT_EQ(outputs(files), (std::vector<std::string>{"out.bin", "out.idx"}));
  EXPECT_EQ(content(prefix + ".bin"), "\1\2");
}

TEST(PairWriter, GivesNoNameToWhatIsNotFinished) {
  const TestFiles files;
  {
    PairWriter writer(files.folder() + "/out", type_named("uint8"));
    writer.add("\1\2", {2});
    EXPECT_EQ(outputs(files), std::vector<std::string>{"out.bin.partial"});
  }
  EXPECT_EQ(outputs(files), std::vector<std::string>());
}
}  // namespace
}  // namespace corral::indexed
