// Output for other programs is JSON and nothing else.
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/program/run_program.h"

namespace {
namespace fs = std::filesystem;
using nlohmann::json;

class Json : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    fs::copy(golden("llama3"), *this / "model");
    std::string rows;
    for (int i = 0; i < 40; ++i) rows += "{\"text\": \"the cat number " + std::to_string(i) + " sat \\\"on\\\" the mat\"}\n";
    write_text(*this / "data.jsonl", rows);
    write_text(*this / "chat.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\"}\n");
    write_text(*this / "prompts.jsonl", "{\"prompt\": \"a \\\"b\\\"\"}\n{\"input_ids\": [5, 6]}\n{\"prompt\": \"c\"}\n");
  }

  // Runs the program; $F in `words` is the test's folder.
  Shown run(std::string words) const {
    for (size_t at; (at = words.find("$F")) != std::string::npos;) words.replace(at, 2, folder_.string());
    return corral(words);
  }

  static std::vector<json> values(const std::string& text, bool rows) {
    if (!rows) return {json::parse(text)};
    std::vector<json> all;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) all.push_back(json::parse(line));
    return all;
  }
};

// The rest of a command's words. Its output is one JSON value, or one per row if `rows` is set.
struct Case {
  std::string words;
  bool rows = false;
  size_t values = 1;
};

const std::map<std::string, Case> kCases{
    {"bridge check", {"$F/model"}},
    {"data build", {"--tokenizer $F/model --data $F/data.jsonl --out $F/built"}},
    {"data check", {"--tokenizer $F/model --data $F/chat.jsonl --seq-length 256 --show 1"}},
    {"diff", {"$F/model $F/model"}},
    {"eval", {"--checkpoint $F/model --data $F/data.jsonl --seq-length 16"}},
    {"generate", {"--checkpoint $F/model --prompts $F/prompts.jsonl --max-new-tokens 8 --seed 3", true, 3}},
    {"info", {""}},
    {"inspect", {"$F/model"}},
    {"plugin validate", {CORRAL_BINARY_DIR "/plugins/precision/fp32/fp32.so --include manifest"}},
    {"plugins", {""}},
    {"recipes", {""}},
    {"recipes show", {"llama32_1b_pretrain_config"}},
    {"tokenizer decode", {"--tokenizer $F/model --ids 5 6", true}},
    {"tokenizer encode", {"--tokenizer $F/model --text 'a \"b\"' c", true, 2}},
    {"tokenizer info", {"--tokenizer $F/model"}},
    {"verify", {"$F/model"}},
};

TEST_F(Json, IsAllThatACommandWithTheFlagPrintsOnStandardOutput) {
  for (const auto& [command, c] : kCases) {
    const Shown shown = run(command + " --json " + c.words);
    ASSERT_EQ(shown.code, 0) << command << ": " << shown.err;
    EXPECT_NO_THROW(EXPECT_EQ(values(shown.out, c.rows).size(), c.values)) << command << "\n" << shown.out;
  }
}

TEST_F(Json, IsTestedOfEachCommandThatHasTheFlag) {
  std::istringstream lines(corral("--help").out);
  std::set<std::string> with, tested;
  for (const auto& [command, c] : kCases) tested.insert(command);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("  ")) continue;
    const std::string name = line.substr(2, line.find("  ", 2) - 2);
    if (corral(name + " --help").out.find("\n  --json ") != std::string::npos) with.insert(name);
  }
  EXPECT_EQ(with, tested);
}

TEST_F(Json, AGeneratedRowSaysWhichPromptItContinues) {
  const auto rows = values(run("generate --json --checkpoint $F/model --prompts $F/prompts.jsonl --max-new-tokens 4").out, true);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0]["prompt"], "a \"b\"");
  EXPECT_FALSE(rows[1].contains("prompt"));
  EXPECT_EQ(rows[1]["input_ids"], (json{5, 6}));
  EXPECT_EQ(rows[2]["prompt"], "c");
}

TEST_F(Json, IsEachFileOfARunAndOfItsExportThatIsNamedSo) {
  Shown shown =
      run("pretrain --recipe llama32_1b_pretrain_config --tokenizer $F/model --data $F/data.jsonl --dir $F/run --train-iters 3 "
          "--global-batch-size 2 --micro-batch-size 2 --seq-length 16 --precision fp32 --set device.threads=1 train.log_interval=1 "
          "optimizer.lr_warmup_iters=0 model.num_hidden_layers=1 model.hidden_size=16 model.intermediate_size=16 "
          "model.num_attention_heads=2 model.num_key_value_heads=1 model.head_dim=8");
  ASSERT_EQ(shown.code, 0) << shown.err;
  shown = run("export --checkpoint $F/run --hf-path $F/hf");
  ASSERT_EQ(shown.code, 0) << shown.err;
  shown = run("import --hf-model $F/hf --megatron-path $F/megatron");
  ASSERT_EQ(shown.code, 0) << shown.err;
  std::set<std::string> read;
  for (const char* folder : {"run", "hf", "megatron"})
    for (const auto& entry : fs::recursive_directory_iterator(*this / folder)) {
      const std::string end = entry.path().extension();
      if (end != ".json" && end != ".jsonl") continue;
      EXPECT_NO_THROW(values(text_of(entry.path()), end == ".jsonl")) << entry.path();
      read.insert(entry.path().filename());
    }
  for (const char* name : {"metrics.jsonl", "progress.json", "config.json", "tokenizer.json", "conversion.json"})
    EXPECT_EQ(read.count(name), 1u) << name;
}

}  // namespace
