#include "plugins/dataset/common/paths.h"

#include "plugins/dataset/common/test_files.h"

namespace corral::data {
namespace {
using Files = std::vector<std::string>;

TEST(Paths, TakesFoldersAndGlobsInSortedOrder) {
  const TestFiles files;
  const std::string b = files.write("b.jsonl", ""), a = files.write("a.txt", ""), c = files.write("c.jsonl", "");
  files.write("notes.bin", "");
  files.write(".hidden.jsonl", "");
  EXPECT_EQ(parse_paths({files.folder()}).at(0).files, (Files{a, b, c}));
  EXPECT_EQ(parse_paths({files.folder() + "/*.jsonl"}).at(0).files, (Files{b, c}));
  EXPECT_EQ(parse_paths({c, a}).at(0).files, (Files{c, a}));
}

TEST(Paths, TakesWeightsAsWordsOrAsOneText) {
  const TestFiles files;
  const std::string a = files.write("a.jsonl", ""), b = files.write("b.jsonl", "");
  for (const std::vector<Source>& sources : {parse_paths({"0.3", a, "0.7", b}), parse_paths({"0.3 " + a + " 0.7 " + b})}) {
    ASSERT_EQ(sources.size(), 2u);
    EXPECT_EQ(sources[0].weight, 0.3);
    EXPECT_EQ(sources[0].files, Files{a});
    EXPECT_EQ(sources[1].weight, 0.7);
    EXPECT_EQ(sources[1].files, Files{b});
  }
}

TEST(Paths, TakesAFileWhoseNameHasASpace) {
  const TestFiles files;
  const std::string file = files.write("my words.txt", "");
  EXPECT_EQ(parse_paths({file}).at(0).files, Files{file});
}

TEST(Paths, RefusesWhatIsNotThere) {
  const TestFiles files;
  const std::string a = files.write("a.jsonl", ""), no = files.folder() + "/b.jsonl", empty = files.folder() + "/empty";
  std::filesystem::create_directory(empty);
  EXPECT_EQ(message_of([&] { parse_paths({no}); }), "data.paths: no such file: " + no + "\n       did you mean \"" + a + "\"?");
  EXPECT_EQ(message_of([&] { parse_paths({files.folder() + "/*.txt"}); }), "data.paths: no file matches " + files.folder() + "/*.txt");
  EXPECT_EQ(message_of([&] { parse_paths({empty}); }),
            "data.paths: the folder " + empty + " has no .jsonl, .ndjson, .json, .txt or .md file");
  EXPECT_EQ(message_of([&] { parse_paths({}); }), "data.paths is empty: name a file with --data FILE.jsonl");
  EXPECT_EQ(message_of([&] { parse_paths({"0.3", a, a}); }), "data.paths: no weight before " + a + ": give every path a weight, or none");
  EXPECT_EQ(message_of([&] {
              parse_paths({a, "0.3", a});
            }),
            "data.paths: weight 0.3 precedes only some paths: give every path a weight, or none");
  EXPECT_EQ(message_of([&] { parse_paths({"0.3", a, "0.7"}); }), "data.paths: weight 0.7 has no path after it");
  EXPECT_EQ(message_of([&] {
              parse_paths({"0.3", "0.7", a});
            }),
            "data.paths: weight 0.3 has another weight after it, 0.7: expected a path");
  for (const std::string weight : {"-1", "0", "nan", "inf", "1e400", "1e-400", "1e300"})
    EXPECT_EQ(message_of([&] {
                parse_paths({weight, a, "1", a});
              }),
              "data.paths: weight " + weight + " of " + a +
                  ": expected a number above 0 (the weights need not add up to 1); to read nothing of a path, leave it out");
}
}  // namespace
}  // namespace corral::data
