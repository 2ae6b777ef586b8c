// The program without a model: messages, help, recipes, exit codes, time to start.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/program/run_program.h"

namespace {
namespace fs = std::filesystem;
using nlohmann::json;

Shown corral(const std::string& words) {
  const std::string files = testing::TempDir() + "corral_program_" + std::to_string(getpid());
  const Shown shown = run_program(words, files + ".out", files + ".err");
  for (const char* ending : {".out", ".err"}) fs::remove(files + ending);
  return shown;
}

TEST(Program, RefusesBadInputWithExitCode2AndOneMessageThatNamesTheNearest) {
  const std::string show = "recipes show llama31_8b_pretrain_config ";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"recipe", "error: recipe: no such command\n       did you mean `corral recipes`?\n"},
      {"recipes shwo x", "error: \"shwo\": `corral recipes` takes no such word\n       did you mean `corral recipes show`?\n"},
      {"--foo", "error: --foo: a command comes first\n       `corral --help` lists them\n"},
      {"recipes show", "error: `corral recipes show` needs NAME\n       corral recipes show --help\n"},
      {"recipes show llama31_8b_pretrain",
       "error: recipe \"llama31_8b_pretrain\": no such recipe\n       did you mean \"llama31_8b_pretrain_config\"?\n"},
      {show + "--trian-iters 3", "error: --trian-iters: no such flag of `corral recipes show`\n       did you mean \"--train-iters\"?\n"},
      {show + "--dump-graph model",
       "error: --dump-graph: of no use to `corral recipes show`\n       `corral recipes show --help` lists them\n"},
      {"pretrain --json", "error: --json: of no use to `corral pretrain`\n       `corral pretrain --help` lists them\n"},
      {show + "--tp", "error: --tp: needs a value, N\n"},
      {show + "--json=3", "error: --json: takes no value\n"},
      {show + "--lr 1e-3 --lr 1e-4", "error: --lr: given twice, 1e-3 and 1e-4\n"},
      {show + "--set seq_length", "error: seq_length: expected KEY=VALUE\n       set by --set\n"},
      {show + "--tp 2 --set parallel.tensor=4",
       "error: parallel.tensor = 2 by --tp, but = 4 by --set: one level may set a key to one value only\n"},
      {show + "--set model.hidden_sise=4",
       "error: model.hidden_sise: no such key\n       did you mean \"model.hidden_size\"?\n       set by --set, after recipe "
       "llama31_8b_pretrain_config\n"},
      {show + "--precision bf61",
       "error: precision.plugin = \"bf61\": no such precision plugin is installed\n       did you mean \"bf16\"?\n       set by "
       "--precision, after "
       "recipe llama31_8b_pretrain_config\n"},
      {show + "--model llama31/7b",
       "error: model.size = \"7b\": no such size of llama31\n       did you mean \"8b\"?\n       set by --model, after recipe "
       "llama31_8b_pretrain_config\n"},
      {show + "--config /no/such", "error: /no/such: No such file or directory\n"},
  };
  for (const auto& [words, message] : cases) {
    const Shown shown = corral(words);
    EXPECT_EQ(shown.code, 2) << words;
    EXPECT_EQ(shown.err, message) << words;
    EXPECT_EQ(shown.out, "") << words;
  }
}

TEST(Program, ReportsAFullDiskBehindStandardOutput) {
  const Shown shown = corral("recipes >/dev/full");
  EXPECT_EQ(shown.code, 3);
  EXPECT_EQ(shown.err, "error: standard output: No space left on device\n");
}

// Names of the flags (`prefix` "--") or commands (`prefix` "") that a help text lists.
std::set<std::string> listed(const std::string& words, const std::string& prefix) {
  std::istringstream help(corral(words + " --help").out);
  std::set<std::string> names;
  const std::string begin = "  " + prefix;
  for (std::string line; std::getline(help, line);)
    if (line.starts_with(begin) && line[begin.size()] != ' ')
      names.insert(line.substr(begin.size(), (prefix.empty() ? line.find("  ", 2) : line.find(' ', begin.size())) - begin.size()));
  return names;
}

TEST(Program, ACommandRefusesTheFlagsOfARunThatItsHelpDoesNotList) {
  const std::set<std::string> all = listed("pretrain", "--"), commands = listed("", "");
  ASSERT_TRUE(all.contains("lr") && all.contains("dump-graph") && all.contains("config"));
  size_t sharing = 0;
  for (const std::string& command : commands) {
    const std::set<std::string> own = listed(command, "--");
    if (!own.contains("config")) continue;
    ++sharing;
    for (const std::string& flag : all) {
      if (own.contains(flag)) continue;
      const Shown refused = corral(command + " --" + flag + (flag == "resume" ? "" : " 1"));
      EXPECT_EQ(refused.code, 2) << command << " --" << flag;
      EXPECT_TRUE(refused.err.starts_with("error: --" + flag + ": of no use to `corral " + command + "`\n")) << refused.err;
    }
  }
  EXPECT_EQ(sharing, 9u);
}

// Commands that run a model or read data take only the flags of a configuration that have an effect there.
TEST(Program, OnlyTrainingTakesTheFlagsOfTraining) {
  for (const std::string command : {"generate", "chat", "eval", "data check", "init", "merge"}) {
    const std::set<std::string> own = listed(command, "--");
    for (const char* flag : {"lr", "min-lr", "train-iters", "optimizer", "tracker", "sample-interval", "sample-prompt", "load",
                             "pretrained-checkpoint", "name", "dir", "collective"})
      EXPECT_FALSE(own.contains(flag)) << command << " --" << flag;
    EXPECT_EQ(own.contains("data"), command == "eval" || command == "data check") << command;
    EXPECT_EQ(own.contains("global-batch-size"), command == "eval") << command;  // --gradients are those of a global batch
    EXPECT_EQ(own.contains("dump-graph"), command != "data check" && command != "merge") << command;
  }
}

TEST(Program, RecipesShowPrintsTheValueOfEveryFlagThatItTakes) {
  const std::map<std::string, std::string> values{{"model", "llama32/3b"},
                                                  {"dataset", "text"},
                                                  {"optimizer", "adamw"},
                                                  {"precision", "bf16"},
                                                  {"peft", "none"},
                                                  {"device", "cpu"},
                                                  {"tp", "2"},
                                                  {"pp", "2"},
                                                  {"vp", "2"},
                                                  {"cp", "2"},
                                                  {"tracker", "tensorboard"},
                                                  {"lr", "0.5"},
                                                  {"min-lr", "0.25"},
                                                  {"checkpoint-format", "megatron"}};
  std::istringstream help(corral("recipes show --help").out);
  size_t keys = 0;
  for (std::string line; std::getline(help, line);) {
    const size_t open = line.rfind('[');
    if (!line.starts_with("  --") || !line.ends_with("]")) continue;
    const std::string flag = line.substr(4, line.find(' ', 4) - 4), key = line.substr(open + 1, line.size() - open - 2);
    if (flag == "collective") continue;  // any name is refused, as no such plugin exists yet
    const auto value = values.find(flag);
    const Shown shown =
        corral("recipes show llama32_1b_pretrain_config --json --" + flag + " " + (value == values.end() ? "8" : value->second));
    ASSERT_EQ(shown.code, 0) << flag << shown.err;
    EXPECT_EQ(json::parse(shown.out).at(key)["from"], "--" + flag) << key;
    ++keys;
  }
  EXPECT_GT(keys, 24u);
}

TEST(Program, SaysWhereItLookedForRecipesWhenThereAreNone) {
  const fs::path copy = fs::path(testing::TempDir()) / ("corral_alone_" + std::to_string(getpid()));
  fs::create_directories(copy / "bin");
  fs::copy_file(CORRAL_BINARY_DIR "/bin/corral", copy / "bin/corral");
  const int status = std::system((copy.string() + "/bin/corral recipes show x 2>" + copy.string() + "/err").c_str());
  std::ifstream file(copy / "err");
  const std::string err(std::istreambuf_iterator<char>(file), {});
  EXPECT_EQ(WEXITSTATUS(status), 3);
  EXPECT_EQ(err, "error: no recipes in " + copy.string() + "/share/corral/recipes: set CORRAL_RECIPE_PATH\n");
  fs::remove_all(copy);
}

TEST(Program, ShowsEveryValueOfARecipeAndWhoSetItAsJson) {
  const Shown shown = corral("recipes show llama31_405b_finetune_config --json --tp 2 --set model.rope_scaling.factor=4");
  ASSERT_EQ(shown.code, 0) << shown.err;
  const json all = json::parse(shown.out);
  EXPECT_EQ(all["parallel.tensor"], (json{{"value", 2}, {"from", "--tp"}}));
  EXPECT_EQ(all["model.rope_scaling.factor"], (json{{"value", 4.0}, {"from", "--set"}}));
  EXPECT_EQ(all["model.hidden_size"], (json{{"value", 16384}, {"from", "model.size 405b"}}));
  EXPECT_EQ(all["peft.target_modules"], (json{{"value", {"linear_qkv"}}, {"from", "recipe, when peft.plugin = lora or dora"}}));
  EXPECT_EQ(all["optimizer.lr_decay_iters"], (json{{"value", 0}, {"from", "default"}}));
}

TEST(Program, TakesUnderscoresForDashesAndTheShorthands) {
  const Shown shown = corral(
      "recipes show llama31_8b_pretrain_config --json --train_iters 7 --model llama32/3b --data 0.3 a.jsonl 0.7 'b c.jsonl' --precision "
      "bf16_mixed");
  ASSERT_EQ(shown.code, 0) << shown.err;
  const json all = json::parse(shown.out);
  EXPECT_EQ(all["train.train_iters"]["value"], 7);
  EXPECT_EQ(all["model.plugin"]["value"], "llama32");
  EXPECT_EQ(all["model.hidden_size"]["value"], 3072);
  EXPECT_EQ(all["data.paths"]["value"], (json{"0.3", "a.jsonl", "0.7", "b c.jsonl"}));
  EXPECT_EQ(all["precision.plugin"]["value"], "bf16");
}

TEST(Program, ListsTwentyRecipesOneLineEach) {
  const Shown table = corral("recipes");
  EXPECT_EQ(std::count(table.out.begin(), table.out.end(), '\n'), 21);
  EXPECT_NE(table.out.find(
                "llama31_405b_pretrain_config             llama31/405b  pretrain       TP8 PP8 VP2 CP4 SP  256 / 512               bf16\n"),
            std::string::npos)
      << table.out;
  EXPECT_EQ(json::parse(corral("recipes --json").out).size(), 20u);
}

TEST(Program, ListsTheOtherRecipesBesideABrokenOne) {
  const fs::path folder = fs::path(testing::TempDir()) / ("corral_broken_" + std::to_string(getpid()));
  fs::create_directories(folder);
  std::ofstream(folder / "broken.textproto") << "train { seed: }";
  setenv("CORRAL_RECIPE_PATH", folder.c_str(), 1);
  const Shown shown = corral("recipes");
  unsetenv("CORRAL_RECIPE_PATH");
  EXPECT_EQ(shown.code, 2);
  EXPECT_EQ(std::count(shown.out.begin(), shown.out.end(), '\n'), 21);
  EXPECT_EQ(shown.err, "error: recipe broken: " + folder.string() + "/broken.textproto:1: expected a value, but here is \"}\"\n");
  fs::remove_all(folder);
}

TEST(Program, PrintsHelpForItselfAndEveryCommandOnStandardOutput) {
  const Shown help = corral("--help");
  EXPECT_EQ(help.code, 0);
  for (const char* command : {"recipes", "recipes show", "info"}) {
    EXPECT_NE(help.out.find("\n  " + std::string(command) + "  "), std::string::npos) << command;
    const Shown own = corral(std::string(command) + " --help");
    EXPECT_EQ(own.code, 0);
    EXPECT_NE(own.out.find("usage: corral " + std::string(command)), std::string::npos) << own.out;
  }
  EXPECT_EQ(corral("").code, 2);
  EXPECT_EQ(corral("--version").out.substr(0, 7), "corral ");
}

TEST(Program, KeepsSecretsOutOfABugReport) {
  setenv("HF_TOKEN", "hf_secret", 1);
  const Shown shown = corral("info --json");
  unsetenv("HF_TOKEN");
  ASSERT_EQ(shown.code, 0);
  EXPECT_EQ(shown.out.find("hf_secret"), std::string::npos);
  EXPECT_EQ(json::parse(shown.out)["environment"]["HF_TOKEN"], "(set)");
}

TEST(Program, TakesTheInstructionSetThatCorralCpuNames) {
  setenv("CORRAL_CPU", "avx2", 1);
  EXPECT_EQ(json::parse(corral("info --json").out)["devices"]["cpu"]["instruction_set"], "avx2");
  setenv("CORRAL_CPU", "sse9", 1);
  const std::string refused = json::parse(corral("info --json").out)["devices"]["cpu"];
  unsetenv("CORRAL_CPU");
  EXPECT_TRUE(refused.starts_with("CORRAL_CPU = \"sse9\": no such instruction set; this machine has ")) << refused;
}

// Runs a command up to ten times and checks its best time and its memory. A time is the smaller of wall-clock and processor time, as other
// tests use the machine too.
void expect_quick(const std::string& words) {
  double best = 1e9;
  long kilobytes = 0;
  for (int i = 0; i < 10 && best > 0.02; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const pid_t child = fork();
    if (child == 0) {
      if (!std::freopen("/dev/null", "w", stdout)) _exit(126);
      execl("/bin/sh", "sh", "-c", ("exec " CORRAL_BINARY_DIR "/bin/corral " + words).c_str(), nullptr);
      _exit(127);
    }
    int status = 0;
    rusage used{};
    ASSERT_EQ(wait4(child, &status, 0, &used), child);
    ASSERT_EQ(status, 0) << words;
    const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
    best = std::min({best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(),
                     seconds(used.ru_utime) + seconds(used.ru_stime)});
    kilobytes = used.ru_maxrss;
  }
  EXPECT_LT(best, 0.05) << words;
  EXPECT_LT(kilobytes, 20 << 10) << words;
  testing::Test::RecordProperty(words.substr(0, words.find(' ')),
                                std::to_string(best * 1e3) + " ms, " + std::to_string(kilobytes) + " KiB");
}

TEST(Program, StartsWithin50MillisecondsAnd20Mebibytes) {
  for (const char* words : {"--help", "recipes", "plugins", "recipes show llama31_405b_finetune_config"}) expect_quick(words);
}

TEST(Program, StartsAsQuicklyWithFortyPlugins) {
  const fs::path folder = fs::path(testing::TempDir()) / ("corral_forty_" + std::to_string(getpid()));
  std::vector<fs::path> built;
  for (const auto& entry : fs::recursive_directory_iterator(CORRAL_BINARY_DIR "/plugins"))
    if (entry.path().extension() == ".so" && fs::exists(fs::path(entry.path()).replace_extension(".manifest")))
      built.push_back(entry.path());
  ASSERT_FALSE(built.empty());
  for (size_t i = 0; i < 40; ++i) {
    const fs::path from = built[i % built.size()], to = folder / from.parent_path().parent_path().filename() / std::to_string(i);
    fs::create_directories(to);
    fs::copy(from.parent_path(), to, fs::copy_options::recursive);
  }
  const std::string path = " --plugin-path " + folder.string();
  expect_quick("plugins" + path);
  expect_quick("recipes show llama31_405b_finetune_config" + path);
  fs::remove_all(folder);
}

TEST(Program, PrintsTheLowPrecisionRecipeAndRefusesToTrainItNamingThePlugin) {
  const std::string recipe = "llama3_8b_low_precision_pretrain_config";
  EXPECT_EQ(corral("recipes show " + recipe).code, 0);
  const fs::path dir = fs::path(testing::TempDir()) / "corral_low_precision";
  const Shown shown = corral("pretrain --recipe " + recipe + " --data /dev/null --dir " + dir.string());
  EXPECT_EQ(shown.code, 2);
  EXPECT_NE(shown.err.find("the plugin precision/fp8 is not installed"), std::string::npos) << shown.err;
  EXPECT_FALSE(fs::exists(dir));
}

}  // namespace
