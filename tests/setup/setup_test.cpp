// The scripts around the program: bin/packages, bin/wordnet-jsonl, bin/dictionary-form, bin/quickstart, tests/summary, tests/run_python.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace {
namespace fs = std::filesystem;
const std::string kSource = CORRAL_SOURCE_DIR;

struct Done {
  int code;
  std::string output;  // stdout and stderr
};

Done sh(const std::string& command) {
  FILE* pipe = ::popen(("exec 2>&1; " + command).c_str(), "r");
  std::string output;
  for (char buffer[4096]; const size_t size = std::fread(buffer, 1, sizeof buffer, pipe);) output.append(buffer, size);
  const int status = ::pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, output};
}

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("corral-setup-" + std::to_string(::getpid()))) { fs::create_directories(path_); }
  ~Folder() { fs::remove_all(path_); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  void write(const std::string& name, const std::string& content, bool program = false) const {
    std::ofstream(path_ / name) << content;
    if (program) fs::permissions(path_ / name, fs::perms::owner_all);
  }
  std::string read(const std::string& name) const {
    std::ifstream in(path_ / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  fs::path path_;
};

// A thousand words for bin/wordnet-jsonl.
void write_adverbs(const Folder& folder) {
  std::string adverbs;
  for (int i = 0; i < 1000; ++i)
    adverbs += "00001740 02 r 01 word" + std::string(1, static_cast<char>('a' + i % 26)) + "q" +
               std::string(static_cast<size_t>(i / 26), 'x') + " 0 000 | gloss " + std::to_string(i) + "\n";
  folder.write("data.adv", adverbs);
}

TEST(Packages, WithoutRootOrSudoPrintTheOneLineToRunUnlessNothingIsMissing) {
  const Folder fake;
  fake.write("id", "#!/bin/sh\necho 1000\n", true);
  fake.write("sudo", "#!/bin/sh\nexit 1\n", true);
  fake.write("dpkg-query", "#!/bin/sh\ncase $4 in libdeflate-dev|cmake) exit 1 ;; esac\necho installed\n", true);
  const std::string path = "PATH=" + (fake / "") + ":$PATH ";
  const Done missing = sh(path + kSource + "/bin/packages </dev/null");
  EXPECT_EQ(missing.code, 3);
  EXPECT_EQ(missing.output, "missing packages; as root: apt-get install -y --no-install-recommends --no-remove cmake libdeflate-dev\n");
  fake.write("dpkg-query", "#!/bin/sh\necho installed\n", true);
  const Done nothing = sh(path + kSource + "/bin/packages --tests </dev/null");
  EXPECT_EQ(nothing.code, 0);
  EXPECT_EQ(nothing.output, "");
}

TEST(WordnetJsonl, WritesEachEntryOnceAndKeepsHeldOutHeadWordsOutOfTraining) {
  const Folder folder;
  folder.write("data.noun",
               "  1 This is the licence\n"
               "00001740 03 n 01 entity 0 003 ~ 00001930 n 0000 ~ 00002137 n 0000 | that which is perceived; \"a \\b\"  \n"
               "00001930 03 n 02 physical_entity 0 thing 1 001 @ 00001740 n 0000 | an  entity that exists  \n");
  folder.write("data.verb", "00001740 29 v 01 breathe 0 001 @ 00005041 v 0000 02 + 02 00 + 08 00 | draw air\n");
  folder.write("data.adj", "00001740 00 a 01 galore(ip) 0 001 = 05200169 n 0000 | in great numbers\n");
  write_adverbs(folder);
  const Done done = sh(kSource + "/bin/wordnet-jsonl " + (folder / "out") + " " + (folder / ""));
  ASSERT_EQ(done.code, 0) << done.output;
  const std::string train = folder.read("out/train.jsonl"), heldout = folder.read("out/heldout.jsonl");
  const auto holds = [](const std::string& text, const std::string& row) { return text.find(row) != std::string::npos; };
  const auto written = [&](const std::string& entry) { return holds(train + heldout, entry); };
  EXPECT_TRUE(written(R"(*entity* (noun): that which is perceived; \"a \\b\")"));
  EXPECT_TRUE(written("*physical entity* (noun): an entity that exists"));
  EXPECT_TRUE(written("*breathe* (verb): draw air"));
  EXPECT_TRUE(written("*galore* (adjective): in great numbers"));
  int in_train = 0, in_heldout = 0, chats = 0, rows = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string entry = "(adverb): gloss " + std::to_string(i) + "\"}",
                      chat = "(adverb): gloss " + std::to_string(i) + "<|eot_id|>\"}";
    in_train += holds(train, entry);
    chats += holds(train, chat);
    in_heldout += holds(heldout, entry);
  }
  for (const char c : train + heldout) rows += c == '\n';
  EXPECT_EQ(rows, 1004);
  EXPECT_EQ(in_train + in_heldout + chats, 1000);
  EXPECT_NEAR(in_heldout, 20, 18);
  EXPECT_NEAR(chats, 98, 40);

  // chat.jsonl asks about words of the training text, questions.txt about held-out words.
  const auto lines = [&](const char* file) {
    std::vector<std::string> all;
    std::istringstream text(folder.read(file));
    for (std::string line; std::getline(text, line);) all.push_back(line);
    return all;
  };
  const std::vector<std::string> chat = lines("out/chat.jsonl"), asked = lines("out/questions.txt"), prompts = lines("out/prompts.jsonl");
  EXPECT_NEAR(static_cast<double>(chat.size()), 250, 80);
  for (const std::string& row : chat) {
    const auto parsed = nlohmann::json::parse(row)["messages"];
    const std::string question = parsed[0]["content"], answer = parsed[1]["content"];
    const size_t begin = question.find('*'), end = question.rfind('*');
    EXPECT_TRUE(holds(train, question.substr(begin, end - begin + 1) + " (")) << question;
    EXPECT_EQ(answer.find('"'), std::string::npos) << answer;
    EXPECT_TRUE(holds(train, "): " + answer)) << answer;
  }
  ASSERT_EQ(asked.size(), 40U);
  ASSERT_EQ(prompts.size(), 20U);
  for (size_t i = 0; i < 20; ++i) {
    const std::string prompt = nlohmann::json::parse(prompts[i])["prompt"];
    EXPECT_EQ(asked[2 * i], "What does the adverb " + prompt + " mean?");
    EXPECT_EQ(asked[2 * i + 1], "/reset");
    EXPECT_TRUE(holds(heldout, prompt + " (adverb): ")) << prompt;
  }
}

TEST(WordnetJsonl, NamesThePackageOfAMissingDictionary) {
  const Folder folder;
  const Done done = sh(kSource + "/bin/wordnet-jsonl " + (folder / "out") + " /nowhere");
  EXPECT_EQ(done.code, 2);
  EXPECT_EQ(done.output, "error: /nowhere/data.noun is not there: apt-get install wordnet-base\n");
}

TEST(JsonCheck, TakesJsonAndNamesTheFileOrLineOfAllElse) {
  const Folder folder;
  const auto check = [&](const std::string& content, const std::string& flag = "") {
    folder.write("f", content);
    return sh(kSource + "/bin/json-check " + flag + " " + (folder / "f"));
  };
  for (const char* good :
       {"{\"a\": [1, -0.5e-3, {}, [], null, \"x\\\"\\u00e9\"],\n \"b\": {\"c\": true}}\n", "\"\\\\\"", " 3 ", "[[[]]]"}) {
    EXPECT_TRUE(nlohmann::json::accept(good)) << good;
    EXPECT_EQ(check(good).code, 0) << good;
  }
  for (const char* bad : {"$ corral eval\n{\"a\": 1}\n", "{\"a\": 1}\n{\"b\": 2}\n", "[1,]", "[1 2]", "{\"a\": 01}", "{\"a\" 1}",
                          "{\"a\": [1, \"b\": 2]}", "\"\\u12g4\"", "\"a\tb\"", "{1: 2}", "nan", "", "\n"}) {
    EXPECT_FALSE(nlohmann::json::accept(bad)) << bad;
    const Done done = check(bad);
    EXPECT_EQ(done.code, 1) << bad;
    EXPECT_TRUE(done.output.starts_with("error: " + (folder / "f") + ": is ")) << done.output;
  }
  EXPECT_EQ(check("{\"a\": 1}\n[]\n", "--rows").code, 0);
  const Done row = check("{}\nseen\n{}\n", "--rows");
  EXPECT_EQ(row.code, 1);
  EXPECT_EQ(row.output, "error: " + (folder / "f") + ": line 2 is not JSON: seen\n");
}

// A stand-in for `corral` that writes at once all files that the quickstart reads. `eval` and `generate` are its answers to these commands.
class FakeQuickstart : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* tool : {"dpkg-query", "cmake"}) folder_.write(tool, "#!/bin/sh\necho installed\n", true);
    folder_.write("ninja", "#!/bin/sh\necho \"$@\" >" + (folder_ / "built") + "\n", true);
    fs::create_directories(folder_ / "build/bin");
    for (const char* empty : {"data.noun", "data.verb", "data.adj"}) folder_.write(empty, "");
    write_adverbs(folder_);
  }
  Done quickstart(const std::string& eval, const std::string& generate) const {
    folder_.write("build/bin/corral",
                  "#!/bin/bash\n"
                  "words=(\"$@\")\n"
                  "value() { for ((i = 0; i < ${#words[@]}; i++)); do [ \"${words[i]}\" != \"$1\" ] || echo \"${words[i + 1]}\"; done; }\n"
                  "dir=$(value --dir)$(value --out)$(value --hf-path)\n"
                  "[ -z \"$dir\" ] || mkdir -p \"$dir/checkpoints/iter_0000007\"\n"
                  "case $1 in\n"
                  "  pretrain) echo '{\"tokens_per_second\": 5000}' >\"$dir/metrics.jsonl\" ;;\n"
                  "  eval) echo seen on stderr >&2; " +
                      eval +
                      " ;;\n"
                      "  generate) " +
                      generate +
                      " ;;\n"
                      "  chat) sed '/^.reset/d; s/.*/an answer/' ;;\n"
                      "esac\n",
                  true);
    fs::remove_all(folder_ / "out");
    return sh("CORRAL_WORDNET=" + (folder_ / "") + " CORRAL_BUILD=" + (folder_ / "build") + " PATH=" + (folder_ / "") + ":$PATH " +
              kSource + "/bin/quickstart --check --dir " + (folder_ / "out"));
  }

  static constexpr char kEval[] = "echo '{\"loss\": 1, \"bits_per_byte\": 1.5, \"unigram_bits_per_byte\": 3}'";
  // Each word is defined by itself, so that another word's definition is seen.
  static constexpr char kGenerate[] =
      R"sh(sed 's/{"prompt": "\(.*\)"}/{"prompt": "\1", "text": " (adverb): \1.", "finish": "stop"}/' "$(value --prompts)")sh";
  const Folder folder_;
};

TEST_F(FakeQuickstart, WritesFilesThatOtherProgramsReadAndPairsEachWordWithItsOwnDefinition) {
  const Done done = quickstart(kEval, kGenerate);
  ASSERT_EQ(done.code, 0) << done.output;
  EXPECT_TRUE(folder_.read("built").ends_with(" corral-program\n")) << "it builds more than it runs: " << folder_.read("built");
  EXPECT_EQ(nlohmann::json::parse(folder_.read("out/eval.json"))["bits_per_byte"], 1.5);
  size_t rows = 0;
  std::istringstream generated(folder_.read("out/generated.jsonl")), prompts(folder_.read("out/text/prompts.jsonl"));
  for (std::string line, prompt; std::getline(generated, line); ++rows) {
    ASSERT_TRUE(std::getline(prompts, prompt));
    const std::string word = nlohmann::json::parse(prompt)["prompt"];
    EXPECT_EQ(nlohmann::json::parse(line)["prompt"], word);
    EXPECT_NE(done.output.find("   " + word + " (adverb): " + word + ".\n"), std::string::npos) << done.output;
  }
  EXPECT_EQ(rows, 20U);
  for (const char* command : {" tokenizer train ", " pretrain ", " export ", " eval ", " generate ", " finetune ", " merge ", " chat "})
    EXPECT_NE(done.output.find("corral" + std::string(command)), std::string::npos) << command;
}

TEST_F(FakeQuickstart, FailsWhereAFileIsNotJsonOrARowContinuesAnotherWord) {
  const std::string generate = kGenerate;
  const auto fails = [&](const std::string& eval, const std::string& generated, const std::string& message) {
    const Done done = quickstart(eval, generated);
    EXPECT_EQ(done.code, 1) << message;
    EXPECT_NE(done.output.find(message), std::string::npos) << done.output;
  };
  fails(std::string("echo '$ corral eval'; ") + kEval, generate, "eval.json: is not JSON: $ corral eval");
  fails(kEval, "echo '$ corral generate'; " + generate, "generated.jsonl: line 1 is not JSON: $ corral generate");
  fails(kEval, generate + " | tac", "generated.jsonl: line 1 continues ");
  fails(kEval, generate + " | sed '$d'", "generated.jsonl: 19 lines for 20 prompts");
}

TEST(DictionaryForm, CountsOnlyEntriesThatEndByThemselves) {
  const Folder folder;
  folder.write("prompts.jsonl", "{\"prompt\": \"ab\"}\n{\"prompt\": \"cd\"}\n{\"prompt\": \"ef\"}\n{\"prompt\": \"gh\"}\n");
  folder.write("generated.jsonl",
               "{\"prompt\": \"ab\", \"input_ids\": [1], \"text\": \" (noun): a \\\"thing\\\"\", \"finish\": \"end\"}\n"
               "{\"prompt\": \"cd\", \"input_ids\": [1], \"text\": \"cd (adverb): quite\", \"finish\": \"end\"}\n"
               "{\"prompt\": \"ef\", \"input_ids\": [1], \"text\": \" (noun): without end\", \"finish\": \"length\"}\n"
               "{\"prompt\": \"gh\", \"input_ids\": [1], \"text\": \" is a letter\", \"finish\": \"end\"}\n");
  const std::string call = kSource + "/bin/dictionary-form " + (folder / "prompts.jsonl") + " " + (folder / "generated.jsonl");
  EXPECT_EQ(sh(call).output, "   ab (noun): a \"thing\"\n   cd (adverb): quite\n x ef (noun): without end …\n x gh is a letter\n2\n");
  EXPECT_EQ(sh(call + " 2>/dev/null").output, "2\n");
}

TEST(Summary, CountsResultsAndGivesTheReasonOfEachSkip) {
  const Folder folder;
  folder.write("a.xml",
               "<testcase name=\"A.Passes\" status=\"run\">\n<system-out>fine</system-out></testcase>\n"
               "<testcase name=\"A.Fails\" status=\"fail\">\n<failure message=\"\"/></testcase>\n"
               "<testcase name=\"A.SkipsInGoogleTest\" status=\"notrun\">\n<skipped message=\"SKIP_REGULAR_EXPRESSION_MATCHED\"/>\n"
               "<system-out>/a/b.cpp:3: Skipped\nno AVX-512 &amp; no bf16\n</system-out></testcase>\n");
  folder.write("b.xml",
               "<testcase name=\"B.SkipsAsAProgram\" status=\"notrun\">\n<skipped message=\"SKIP_RETURN_CODE=77\"/>\n"
               "<system-out>skipped: no torch\n</system-out></testcase>\n"
               "<testcase name=\"B.NotBuilt\" status=\"notrun\">\n<skipped message=\"\"/></testcase>\n");
  EXPECT_EQ(sh(kSource + "/tests/summary " + (folder / "a.xml") + " " + (folder / "b.xml")).output,
            "failed: A.Fails\n"
            "skipped: A.SkipsInGoogleTest: no AVX-512 & no bf16\n"
            "skipped: B.SkipsAsAProgram: no torch\n"
            "failed: B.NotBuilt (could not be run)\n"
            "1 passed, 2 failed, 2 skipped\n");
}

TEST(RunPython, SkipsWithoutTheModulesAndFailsInCi) {
  const std::string run = "CORRAL_PYTHON_LIGHT=/nowhere/python " + kSource + "/tests/run_python light script.py";
  const Done skipped = sh("unset CORRAL_CI; " + run), failed = sh("export CORRAL_CI=1; " + run);
  EXPECT_EQ(skipped.code, 77);
  EXPECT_TRUE(skipped.output.starts_with("skipped: /nowhere/python has no module numpy")) << skipped.output;
  EXPECT_EQ(failed.code, 1);
  EXPECT_TRUE(failed.output.starts_with("failed: ")) << failed.output;
}
}  // namespace
