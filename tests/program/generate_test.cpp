// `corral generate`: sources of prompts, ends of a text, limits of sampling, streaming.
#include <sys/socket.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/program/run_program.h"
#include "tests/program/terminal.h"

namespace {
namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kEndOfText = 305;

class Generate : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    fs::copy(golden("llama3"), *this / "model");
  }

  Shown generate(const std::string& more, const std::string& before = "") const {
    return corral("generate --set device.threads=1 --checkpoint " + (*this / "model") + " " + more, before);
  }
  static std::vector<json> rows(const Shown& shown) {
    EXPECT_EQ(shown.code, 0) << shown.err;
    std::vector<json> all;
    std::istringstream lines(shown.out);
    for (std::string line; std::getline(lines, line);) all.push_back(json::parse(line));
    return all;
  }
  // The JSON row of one prompt with at most 24 new tokens.
  json row(const std::string& more, const std::string& prompt = "the cat") const {
    const auto all = rows(generate("--json --prompt '" + prompt + "' --max-new-tokens 24 " + more));
    return all.size() == 1 ? all[0] : json();
  }
  // The 24 ids of greedy decoding without an end.
  std::vector<int> greedy() const { return row("--temperature 0 --ignore-eos")["output_ids"]; }

  void change(const std::string& file, const std::function<void(json&)>& by) const {
    json content = json::parse(text_of(*this / ("model/" + file)));
    by(content);
    write_text(*this / ("model/" + file), content.dump());
  }
};

TEST_F(Generate, TakesAPromptFromTheCommandLineFromStandardInputAndFromAFile) {
  const Shown flag = generate("--prompt 'the cat' --max-new-tokens 8 --temperature 0");
  EXPECT_EQ(flag.code, 0) << flag.err;
  EXPECT_EQ(flag.out.back(), '\n');
  write_text(*this / "in", "the cat");
  EXPECT_EQ(generate("--prompt - --max-new-tokens 8 --temperature 0 <" + (*this / "in")).out, flag.out);
  write_text(*this / "p.jsonl", "{\"prompt\": \"the cat\"}\n\n{\"input_ids\": [304, 5, 6]}\n{\"prompt\": \"the cat\"}\n");
  const auto all = rows(generate("--json --max-new-tokens 8 --temperature 0 --prompts " + (*this / "p.jsonl")));
  ASSERT_EQ(all.size(), 3u);
  const std::string texts = generate("--max-new-tokens 8 --temperature 0 --prompts " + (*this / "p.jsonl")).out;
  EXPECT_TRUE(texts.starts_with(flag.out) && texts.ends_with(flag.out) && texts.size() > 2 * flag.out.size()) << texts;
  EXPECT_EQ(all[1]["input_ids"], (json{304, 5, 6}));
  EXPECT_EQ(all[2]["output_ids"], all[0]["output_ids"]);
  for (const json& each : all) {
    EXPECT_EQ(each["output_ids"].size(), 8u);
    EXPECT_EQ(each["finish"], "length");
  }
}

TEST_F(Generate, EndsBeforeAStopTextWhereverItsTokensAreCut) {
  const std::string whole = row("--temperature 0 --ignore-eos")["text"];
  // Every two characters of the text as a stop, except characters that the shell or JSON would change.
  size_t tried = 0;
  for (size_t at = 1; at + 2 < whole.size(); ++at) {
    const std::string stop = whole.substr(at, 2);
    if (stop[0] == '-' || std::any_of(stop.begin(), stop.end(), [](char c) { return c < ' ' || c == '\''; })) continue;
    ++tried;
    const json ended = row("--temperature 0 --ignore-eos --stop 'not there' '" + stop + "'");
    EXPECT_EQ(ended["text"], whole.substr(0, whole.find(stop))) << stop;
    EXPECT_EQ(ended["finish"], "stop") << stop;
    EXPECT_LE(ended["output_ids"].size(), 24u);
  }
  EXPECT_GT(tried, 0u) << whole;
}

TEST_F(Generate, EndsAtEachEndIdOfGenerationConfigConfigAndTokenizerUnlessTold) {
  const std::vector<int> ids = greedy();
  ASSERT_EQ(ids.size(), 24u);
  // The text ends at the first occurrence of an id.
  const auto first = [&](int id) { return static_cast<size_t>(std::find(ids.begin(), ids.end(), id) - ids.begin()); };
  const auto expect_end = [&](size_t count) {
    const json ended = row("--temperature 0");
    EXPECT_EQ(ended["output_ids"], json(std::vector<int>(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count))));
    EXPECT_EQ(ended["finish"], count < ids.size() ? "stop" : "length");
    EXPECT_EQ(greedy(), ids);
  };
  expect_end(24);
  change("generation_config.json", [&](json& j) { j["eos_token_id"] = {kEndOfText, ids[7], ids[9]}; });
  expect_end(std::min(first(ids[7]), first(ids[9])));
  change("generation_config.json", [&](json& j) { j["eos_token_id"] = kEndOfText; });
  change("config.json", [&](json& j) { j["eos_token_id"] = ids[5]; });
  expect_end(first(ids[5]));
  // Only the tokenizer has end ids now. With this penalty every id is generated once, so an end id is too.
  for (const char* file : {"config.json", "generation_config.json"}) change(file, [](json& j) { j.erase("eos_token_id"); });
  write_text(*this / "p.jsonl", "{\"input_ids\": [5]}\n");
  const std::string words = "--json --temperature 0 --repetition-penalty 1e9 --max-new-tokens 319 --prompts " + (*this / "p.jsonl");
  const std::vector<int> every = rows(generate(words + " --ignore-eos"))[0]["output_ids"], ended = rows(generate(words))[0]["output_ids"],
                         ends = json::parse(corral("tokenizer info --json --tokenizer " + (*this / "model")).out)["eos_ids"];
  EXPECT_EQ(every.size(), 319u);
  const auto end = std::find_first_of(every.begin(), every.end(), ends.begin(), ends.end());
  ASSERT_NE(end, every.end());
  EXPECT_EQ(ended, std::vector<int>(every.begin(), end));
}

TEST_F(Generate, RawLeavesTheBeginTokenOutAndShowsSpecialTokens) {
  const json plain = row("--temperature 0"), raw = row("--temperature 0 --raw");
  EXPECT_EQ(plain["input_ids"][0], 304);
  json without = plain["input_ids"];
  without.erase(0);
  EXPECT_EQ(raw["input_ids"], without);
  // With this penalty every id is generated once, special ones included.
  write_text(*this / "p.jsonl", "{\"input_ids\": [5]}\n");
  const std::string words =
      "--json --temperature 0 --repetition-penalty 1e9 --max-new-tokens 319 --ignore-eos --prompts " + (*this / "p.jsonl");
  const auto hidden = rows(generate(words)), shown = rows(generate(words + " --raw"));
  EXPECT_EQ(hidden[0]["output_ids"], shown[0]["output_ids"]);
  EXPECT_EQ(hidden[0]["text"].get<std::string>().find("<|eot_id|>"), std::string::npos);
  EXPECT_NE(shown[0]["text"].get<std::string>().find("<|eot_id|>"), std::string::npos);
}

TEST_F(Generate, IsGreedyUnlessTheModelOrAFlagSaysOtherwise) {
  // The golden's generation_config.json has temperature 0.6 and top_p 0.9.
  EXPECT_NE(row("--seed 1"), row("--seed 2"));
  EXPECT_EQ(row("--seed 1"), row("--seed 1 --temperature 0.6 --top-p 0.9"));
  EXPECT_EQ(row("--seed 1"), row("--seed 1"));
  change("generation_config.json", [](json& j) { j["do_sample"] = false; });
  EXPECT_EQ(row("--seed 1")["output_ids"], row("--temperature 0")["output_ids"]);
  EXPECT_EQ(row("--seed 1"), row("--seed 2"));
  EXPECT_NE(row("--seed 1 --top-k 50"), row("--seed 2 --top-k 50"));
  fs::remove(*this / "model/generation_config.json");
  EXPECT_EQ(row("--seed 1"), row("--temperature 0"));
}

TEST_F(Generate, TopKTopPMinPAndThePenaltyLimitTheChoice) {
  const json likeliest = row("--temperature 0 --ignore-eos")["output_ids"];
  for (const char* limit : {"--top-k 1", "--top-p 0", "--min-p 1"}) {
    EXPECT_EQ(row(std::string("--temperature 5 --ignore-eos --seed 3 ") + limit)["output_ids"], likeliest) << limit;
    EXPECT_NE(row("--temperature 5 --ignore-eos --seed 3")["output_ids"], likeliest);
  }
  const std::vector<int> all = row("--temperature 0 --ignore-eos --repetition-penalty 1e9")["output_ids"];
  EXPECT_EQ(std::set<int>(all.begin(), all.end()).size(), all.size()) << "each once";
  const std::vector<int> again = likeliest;
  EXPECT_LT(std::set<int>(again.begin(), again.end()).size(), again.size()) << "the test would see nothing";
}

TEST_F(Generate, SaysTheSpeedOfPromptAndDecodeOnStandardError) {
  const Shown shown = generate("--prompt 'the cat' --max-new-tokens 8 --ignore-eos");
  std::istringstream line(shown.err.substr(shown.err.find("prompt: ")));
  std::string word;
  double tokens = 0, rate = 0;
  line >> word >> tokens >> word >> rate;
  EXPECT_EQ(tokens, static_cast<double>(row("")["input_ids"].size()));
  EXPECT_GT(rate, 0);
  EXPECT_NE(shown.err.find("decode: 8 tokens, "), std::string::npos) << shown.err;
  EXPECT_EQ(shown.out.find("tokens/s"), std::string::npos);
}

// The bytes of each write of the program. A socket of packets keeps the writes apart.
std::vector<std::string> writes_of(const std::string& words) {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    execl("/bin/sh", "sh", "-c", ("exec " CORRAL_BINARY_DIR "/bin/corral " + words + " 2>/dev/null").c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  std::vector<std::string> all;
  char bytes[4096];
  for (ssize_t n; (n = read(ends[0], bytes, sizeof bytes)) > 0;) all.emplace_back(bytes, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  return all;
}

TEST_F(Generate, StreamsToATerminalAndWithTheFlagTheSameTextAsWithoutStreaming) {
  const std::string words = "generate --set device.threads=1 --checkpoint " + (*this / "model") +
                            " --prompt 'the cat' --max-new-tokens 24 --temperature 0 --ignore-eos",
                    whole = corral(words).out;
  const std::vector<std::string> at_once = writes_of(words), streamed = writes_of(words + " --stream");
  EXPECT_EQ(at_once, std::vector<std::string>{whole});
  EXPECT_GT(streamed.size(), 5u);
  std::string all;
  for (const std::string& piece : streamed) all += piece;
  EXPECT_EQ(all, whole);

  corral::Terminal terminal(CORRAL_BINARY_DIR "/bin/corral " + words + " 2>/dev/null");
  std::string as_shown;
  for (const char c : whole) as_shown += c == '\n' ? "\r\n" : std::string(1, c);
  EXPECT_EQ(terminal.end().first, as_shown);
}

}  // namespace
