// Resolution of a configuration: which value wins, and which are refused, with a recipe and plugins of the test.
#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "corral/error.h"
#include "kernel/config/run_config.h"

namespace corral::config {
namespace {
namespace fs = std::filesystem;

std::string compiled(const std::string& proto) {
  namespace pb = google::protobuf;
  pb::io::ArrayInputStream stream(proto.data(), static_cast<int>(proto.size()));
  pb::io::Tokenizer tokens(&stream, nullptr);
  pb::FileDescriptorSet set;
  pb::compiler::Parser().Parse(&tokens, set.add_file());
  set.mutable_file(0)->set_name("options.proto");
  return set.SerializeAsString();
}

// The installed plugins: model/herd with sizes, optimizer/plain, optimizer/other.
class TestPlugins final : public PluginSchemas {
 public:
  TestPlugins() {
    add("model", "herd",
        "message Scaling { optional double factor = 1 [default = 1]; }"
        "message Options { optional int64 hidden_size = 1 [default = 10]; optional int64 head_dim = 2; optional Scaling scaling = 3;"
        " optional bool tied = 4; optional uint32 small = 5; repeated string parts = 6; enum Kind { even = 0; odd = 1; } optional Kind "
        "kind = 7; }",
        R"(depends { key: "head_dim" on: ["hidden_size"] }
           preset { name: "s" set { hidden_size: 64 head_dim: 16 scaling { factor: 2 } } }
           preset { name: "m" set { hidden_size: 128 head_dim: 32 } })");
    add("model", "flock", "message Options { optional int64 hidden_size = 1 [default = 7]; }", "");
    add("optimizer", "plain", "message Options { optional double lr = 1 [default = 0.5]; optional double beta = 2; }", "");
    add("optimizer", "other", "message Options { optional double lr = 1 [default = 0.25]; }", "");
  }

  void add(const std::string& kind, const std::string& name, const std::string& messages, const std::string& presets) {
    all_[{kind, name}] = {kind, name, compiled("syntax = \"proto2\"; package " + name + "; " + messages), presets};
  }

  const PluginSchema* find(const std::string& kind, const std::string& name) override {
    const auto found = all_.find({kind, name});
    return found == all_.end() ? nullptr : &found->second;
  }

  std::vector<std::string> names(const std::string& kind) override {
    std::vector<std::string> all;
    for (const auto& [key, schema] : all_)
      if (key.first == kind) all.push_back(key.second);
    return all;
  }

 private:
  std::map<std::pair<std::string, std::string>, PluginSchema> all_;
};

constexpr const char* kRecipe = R"(
model { plugin: "herd" size: "s" }
train { global_batch_size: 12 seq_length: 100 train_iters: 50 }
optimizer { plugin: "plain" lr: 0.1 beta: 0.9 }
data { packed_seq_length: 200 packed_global_batch_size: 4 }
peft { plugin: "none" }
when { key: "peft.plugin" value: "thin" set { optimizer { lr: 0.2 } peft { dim: 8 parts: ["a"] } } }
when { key: "data.packed" value: true set { train { train_iters: 60 } } }
)";

class Resolving : public testing::Test {
 protected:
  Resolving() {
    fs::create_directories(folder_);
    write("r_config.textproto", kRecipe);
    write("aliases.textproto", R"(alias { key: "optimizer.plugin" name: "PLAIN_v2" value: "plain" set { optimizer { beta: 0.8 } } })");
  }
  ~Resolving() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }

  RunConfig with(const std::vector<std::string>& set, const std::vector<std::string>& files = {}) {
    Sources sources{recipe_, resolved_, files, {}};
    for (const std::string& one : set) sources.flags.push_back(parse_assignment(one, "--set"));
    return resolve(sources, RecipeFolders({folder_}), plugins_);
  }

  // The message of the refusal, which must be the user's error.
  std::string refusal(const std::vector<std::string>& set, const std::vector<std::string>& files = {}) {
    try {
      with(set, files);
    } catch (const Error& e) {
      EXPECT_EQ(e.exit_code(), 2) << e.what();
      return e.what();
    }
    return "taken";
  }

  const fs::path folder_ = fs::path(testing::TempDir()) / ("corral_resolve_" + std::to_string(getpid()));
  std::string recipe_ = "r_config", resolved_;
  TestPlugins plugins_;
};

TEST_F(Resolving, TakesTheHighestOfFlagConfigRecipeSizeAndDefault) {
  const std::string file = write("c.textproto", "train { seq_length: 300 train_iters: 70 } model { tied: true }");
  const RunConfig c = with({"train.train_iters=80"}, {file});
  const std::vector<std::tuple<std::string, std::string, std::string>> expected{
      {"train.train_iters", "80", "--set"},           {"train.seq_length", "300", "--config " + file},
      {"train.global_batch_size", "12", "recipe"},    {"model.hidden_size", "64", "model.size s"},
      {"model.tied", "true", "--config " + file},     {"train.micro_batch_size", "1", "default"},
      {"model.scaling.factor", "2.0", "model.size s"}};
  for (const auto& [key, value, from] : expected) {
    ASSERT_TRUE(c.find(key)) << key;
    EXPECT_EQ(to_text(c.find(key)->value), value) << key;
    EXPECT_EQ(c.find(key)->from, from) << key;
  }
}

TEST_F(Resolving, AppliesWhenBlocksAfterFlagsChoseAndBeforeFlagsSet) {
  EXPECT_EQ(with({}).number("optimizer.lr"), 0.1);
  const RunConfig thin = with({"peft.plugin=thin"});
  EXPECT_EQ(thin.number("optimizer.lr"), 0.2);
  EXPECT_EQ(thin.find("optimizer.lr")->from, "recipe, when peft.plugin = thin");
  EXPECT_EQ(with({"peft.plugin=thin", "optimizer.lr=0.3"}).number("optimizer.lr"), 0.3);
}

TEST_F(Resolving, PacksWithThePackedLengthAndBatchUnlessTheUserSetsThem) {
  const RunConfig packed = with({"data.packed=true"});
  EXPECT_EQ(packed.integer("train.seq_length"), 200);
  EXPECT_EQ(packed.integer("train.global_batch_size"), 4);
  EXPECT_EQ(packed.integer("train.train_iters"), 60);
  EXPECT_EQ(packed.find("train.seq_length")->from, "recipe, data.packed_seq_length");
  EXPECT_EQ(with({"data.packed=true", "train.seq_length=32"}).integer("train.seq_length"), 32);
  EXPECT_EQ(with({"data.packed=true", "data.packed_seq_length=64"}).integer("train.seq_length"), 64);
  const std::string file = write("c.textproto", "train { global_batch_size: 6 }");
  EXPECT_EQ(with({"data.packed=true"}, {file}).integer("train.global_batch_size"), 6);
  EXPECT_EQ(with({"data.packed=false"}).integer("train.seq_length"), 100);
}

TEST_F(Resolving, LeavesASizesHeadDimOutWhereTheHiddenSizeIsAnother) {
  EXPECT_EQ(with({}).integer("model.head_dim"), 16);
  EXPECT_EQ(with({"model.hidden_size=96"}).integer("model.head_dim"), 0);
  EXPECT_EQ(with({"model.hidden_size=96", "model.head_dim=24"}).integer("model.head_dim"), 24);
  EXPECT_EQ(with({"model.size=m"}).integer("model.head_dim"), 32);
}

TEST_F(Resolving, KeepsOptionsOfAMissingPluginAsTheyAreWritten) {
  const RunConfig c = with({"peft.plugin=thin", "peft.alpha=0.5", "peft.mode=fast"});
  EXPECT_EQ(c.integer("peft.dim"), 8);
  EXPECT_EQ(c.number("peft.alpha"), 0.5);
  EXPECT_EQ(c.text("peft.mode"), "fast");
  EXPECT_EQ(c.list("peft.parts"), std::vector<std::string>{"a"});
  EXPECT_EQ(c.plugin("peft"), "thin");
  try {
    c.plugin("peft", true);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), 2);
    EXPECT_STREQ(e.what(),
                 "peft.plugin = \"thin\": the plugin peft/thin is not installed; there is none of this kind\n       set by --set, after "
                 "recipe r_config");
  }
}

TEST_F(Resolving, NamesThePluginThatIsMissingAmongSeveral) {
  write("t_config.textproto", std::string(kRecipe) + "tracker { plugins: \"board\" plugins: \"paper\" board { every: 5 } }");
  recipe_ = "t_config";
  plugins_.add("tracker", "paper", "message Options { optional int64 pages = 1; }", "");
  const RunConfig c = with({});
  EXPECT_EQ(c.integer("tracker.board.every"), 5);
  try {
    c.plugins("tracker");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), 2);
    EXPECT_STREQ(e.what(),
                 "tracker.plugins = [\"board\", \"paper\"]: the plugin tracker/board is not installed; there is: paper\n"
                 "       set by recipe t_config");
  }
  EXPECT_EQ(with({"tracker.plugins=paper"}).plugins("tracker"), std::vector<std::string>{"paper"});
}

TEST_F(Resolving, IgnoresTheRecipesOptionsOfAPluginThatTheUserReplaced) {
  const RunConfig c = with({"optimizer.plugin=other", "model.plugin=flock"});
  EXPECT_EQ(c.number("optimizer.lr"), 0.1);
  EXPECT_FALSE(c.find("optimizer.beta"));
  EXPECT_EQ(c.integer("model.hidden_size"), 7);
  EXPECT_EQ(c.notices().size(), 2u);
  EXPECT_EQ(refusal({"optimizer.plugin=other", "optimizer.beta=0.5"}),
            "optimizer.beta: no such key\n       did you mean \"optimizer.lr\"?\n       set by --set, after recipe r_config");
}

TEST_F(Resolving, ReadsAnAliasAsItsValue) {
  const RunConfig c = with({"optimizer.plugin=PLAIN_v2"});
  EXPECT_EQ(c.text("optimizer.plugin"), "plain");
  EXPECT_EQ(c.number("optimizer.beta"), 0.8);
  EXPECT_EQ(with({"optimizer.plugin=PLAIN_v2", "optimizer.beta=0.7"}).number("optimizer.beta"), 0.7);
}

TEST_F(Resolving, RefusesWithTheNearestAndWhoSetIt) {
  const std::string by_set = "\n       set by --set, after recipe r_config";
  EXPECT_EQ(refusal({"train.trian_iters=1"}), "train.trian_iters: no such key\n       did you mean \"train.train_iters\"?" + by_set);
  EXPECT_EQ(refusal({"seq_length=1"}), "seq_length: no such key\n       did you mean \"train.seq_length\"?" + by_set);
  EXPECT_EQ(refusal({"model.hidden_sise=1"}), "model.hidden_sise: no such key\n       did you mean \"model.hidden_size\"?" + by_set);
  EXPECT_EQ(refusal({"model.plugin=herds"}),
            "model.plugin = \"herds\": no such model plugin is installed\n       did you mean \"herd\"?" + by_set);
  EXPECT_EQ(refusal({"model.size=xl"}), "model.size = \"xl\": no such size of herd\n       did you mean \"s\"?" + by_set);
  EXPECT_EQ(refusal({"model.kind=od"}), "model.kind = \"od\": expected one of even, odd\n       did you mean \"odd\"?" + by_set);
  EXPECT_EQ(refusal({"train.global_batch_size=9", "train.micro_batch_size=2"}),
            "train.global_batch_size = 9 is not a multiple of train.micro_batch_size = 2; the nearest is 10" + by_set);
  recipe_ = "r_confg";
  EXPECT_EQ(refusal({}), "recipe \"r_confg\": no such recipe\n       did you mean \"r_config\"?");
}

TEST_F(Resolving, RefusesValuesOfAnotherTypeOrRange) {
  for (const char* one : {"train.train_iters=many", "train.train_iters=1.5", "train.train_iters=", "train.train_iters=99999999999999999999",
                          "train.train_iters=-1", "train.micro_batch_size=0", "optimizer.lr=fast", "optimizer.lr=nan", "optimizer.lr=inf",
                          "data.packed=maybe", "model.small=4294967296", "model.small=-1", "recompute.granularity=some"})
    EXPECT_NE(refusal({one}).find(": expected "), std::string::npos) << one << ": " << refusal({one});
  const std::string file = write("c.textproto", "train {\n  train_iters: \"5\"\n}");
  EXPECT_EQ(refusal({}, {file}), "train.train_iters = \"5\": expected an integer of 0 or more\n       set by --config " + file +
                                     ", after recipe r_config (" + file + ":2)");
}

TEST_F(Resolving, RefusesTwoValuesOnOneLevel) {
  EXPECT_EQ(refusal({"train.train_iters=1", "train.train_iters=2"}),
            "train.train_iters = 1 by --set, but = 2 by --set: one level may set a key to one value only");
  EXPECT_EQ(refusal({"train.train_iters=2", "train.train_iters=2"}), "taken");
  const std::string a = write("a.textproto", "train { seed: 1 }"), b = write("b.textproto", "train { seed: 2 }");
  EXPECT_NE(refusal({}, {a, b}).find("one value only"), std::string::npos);
  EXPECT_EQ(refusal({"train.seed=3"}, {a}), "taken");
}

TEST_F(Resolving, TakesListsInEverySpelling) {
  const std::vector<std::string> ab{"a", "b c"};
  EXPECT_EQ(with({"data.paths=a,'b c'"}).list("data.paths"), ab);
  EXPECT_EQ(with({"data.paths=[a, \"b c\"]"}).list("data.paths"), ab);
  EXPECT_EQ(with({}, {write("c.textproto", "data { paths: \"a\" paths: \"b c\" }")}).list("data.paths"), ab);
  EXPECT_EQ(with({}, {write("c.textproto", "data { paths: [\"a\", \"b c\"] }")}).list("data.paths"), ab);
}

TEST_F(Resolving, NamesTheRunAfterTheRecipe) {
  unsetenv("SAVE_DIR");
  EXPECT_EQ(with({}).text("run.dir"), "runs/r");
  setenv("SAVE_DIR", "/big", 1);
  EXPECT_EQ(with({"run.name=x"}).text("run.dir"), "/big/x");
  EXPECT_EQ(with({}).find("run.dir")->from, "SAVE_DIR");
  unsetenv("SAVE_DIR");
}

TEST_F(Resolving, ReadsItsOwnTextBackExactly) {
  const RunConfig before = with({"peft.plugin=thin", "optimizer.lr=1e-300", "data.paths=\"a \\x\",b", "run.name=q\"\\\n\xc3\xa9",
                                 "model.tied=true", "peft.rate=2.0", "optimizer.beta=0.1", "data.packed=true", "train.seq_length=32"});
  resolved_ = write("config.textproto", before.to_textproto());
  const RunConfig after = with({});
  const auto a = before.settings(), b = after.settings();
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].first, b[i].first);
    EXPECT_TRUE(a[i].second.value == b[i].second.value) << a[i].first << " " << to_text(b[i].second.value);
    EXPECT_EQ(a[i].second.from, b[i].second.from) << a[i].first;
  }
  EXPECT_EQ(after.to_textproto(), before.to_textproto());
  EXPECT_EQ(after.recipe(), "r_config");
  EXPECT_EQ(after.integer("train.seq_length"), 32) << "not the recipe's packed length";
  EXPECT_EQ(with({"train.train_iters=99"}).find("train.train_iters")->from, "--set");
}

TEST_F(Resolving, EncodesThePluginsOptions) {
  const RunConfig c = with({"model.tied=true", "model.small=7", "model.parts=x,y", "model.kind=odd"});
  // hidden_size 64, head_dim 16, scaling { factor 2 }, tied, small 7, parts x y, kind odd in protobuf's wire format.
  using namespace std::string_literals;
  const std::string bytes = "\x08\x40\x10\x10\x1a\x09\x09\0\0\0\0\0\0\0\x40\x20\x01\x28\x07\x32\x01x\x32\x01y\x38\x01"s;
  EXPECT_EQ(c.options("model"), bytes);
}

TEST_F(Resolving, TakesDerivedValuesOfTheSameTypeOnly) {
  RunConfig c = with({});
  c.set("model.hidden_size", int64_t{5}, "tokenizer");
  EXPECT_EQ(c.integer("model.hidden_size"), 5);
  EXPECT_EQ(c.find("model.hidden_size")->from, "tokenizer");
  EXPECT_TRUE(c.is_set("model.hidden_size"));
  EXPECT_FALSE(c.is_set("model.head_dim"));
  EXPECT_THROW(c.set("model.hidden_size", std::string("x"), "tokenizer"), Error);
  EXPECT_THROW(c.integer("model.tied"), Error);
  EXPECT_THROW(c.text("no.such"), Error);
}

TEST_F(Resolving, RefusesMalformedFilesWithTheLine) {
  const auto message = [&](const std::string& text) { return refusal({}, {write("c.textproto", text)}); };
  const std::string path = folder_ / "c.textproto";
  EXPECT_EQ(message("train {\n seed 5\n}"), path + ":2: expected : or { after \"seed\", but here is \"5\"");
  EXPECT_EQ(message("train {\n seed: 5\n"), path + ":3: expected }, but the file ends here");
  EXPECT_EQ(message("}"), path + ":1: expected the name of a key, but here is \"}\"");
  EXPECT_EQ(message("train { seed: [1,] }"), path + ":1: expected a value after ,, but here is \"]\"");
  EXPECT_EQ(message("when { key: \"a\" value: 1 set { } }"),
            path + ": `when` belongs in a recipe; a file for --config contains only values");
  EXPECT_EQ(refusal({}, {"/no/such"}), "/no/such: No such file or directory");
  recipe_ = write("mine.textproto", "when {\n key: \"peft.plugin\" vale: \"x\" set { } }");
  EXPECT_EQ(refusal({}), recipe_ + ":2: vale: no such part of when\n       did you mean \"value\"?");
}

TEST_F(Resolving, RefusesAPluginWhoseOptionsAreNoDescriptorSetAsABugOfThePlugin) {
  const std::string whole = plugins_.find("model", "herd")->descriptor_set;
  size_t bugs = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    const_cast<PluginSchema*>(plugins_.find("model", "herd"))->descriptor_set = whole.substr(0, size);
    try {
      with({});
    } catch (const Error& e) {
      // A cut between two messages leaves a valid smaller set, which lacks keys of the recipe.
      EXPECT_TRUE(e.exit_code() == 4 || e.exit_code() == 2) << size << ": " << e.what();
      bugs += e.exit_code() == 4;
    }
  }
  EXPECT_GT(bugs, whole.size() / 2);
}

TEST(TextProto, AnswersEveryCutAndChangedByteWithValuesOrAnError) {
  const std::string whole = read_text_file(CORRAL_SOURCE_DIR "/recipes/llama31_405b_finetune_config.textproto");
  size_t refused = 0;
  for (size_t i = 0; i < whole.size(); ++i)
    for (const std::string& text :
         {whole.substr(0, i), whole.substr(0, i) + '\xff' + whole.substr(i + 1), whole.substr(0, i) + '{' + whole.substr(i + 1)}) {
      try {
        parse_recipe(text, "r", "recipe");
      } catch (const Error& e) {
        EXPECT_EQ(e.exit_code(), 2);
        ++refused;
      }
    }
  EXPECT_GT(refused, whole.size());
  EXPECT_THROW(parse_textproto(std::string(100000, '{'), "deep"), Error);
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "a{";
  EXPECT_THROW(parse_textproto(deep, "deep"), Error);
}

}  // namespace
}  // namespace corral::config
