// Models by their name on the hub: downloads into the cache, and commands that read the cache. The hub is a local server (hub_server.py).
#include <csignal>
#include <cstdio>
#include <set>

#include "tests/program/model_folder.h"
#include "tests/program/run_program.h"

namespace {
namespace fs = std::filesystem;
constexpr char kCommit[] = "0123456789abcdef0123456789abcdef01234567";

class Hub : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    int ports[2];
    ASSERT_EQ(::pipe(ports), 0);
    server_ = ::fork();
    if (server_ == 0) {
      ::dup2(ports[1], STDOUT_FILENO);
      ::execlp("python3", "python3", CORRAL_SOURCE_DIR "/tests/program/hub_server.py", (*this / "hub").c_str(), (*this / "log").c_str(),
               nullptr);
      ::_exit(127);
    }
    ::close(ports[1]);
    std::FILE* out = ::fdopen(ports[0], "r");
    ASSERT_EQ(std::fscanf(out, "%d", &port_), 1) << "python3 does not start the server";
    std::fclose(out);
  }
  void TearDown() override {
    ::kill(server_, SIGKILL);
    ::waitpid(server_, nullptr, 0);
    ProgramTest::TearDown();
  }

  // Puts a copy of a golden model on the hub.
  void put(const std::string& name, const std::string& model = "llama32") const {
    fs::create_directories(fs::path(*this / "hub/org"));
    fs::copy(golden(model), *this / ("hub/org/" + name), fs::copy_options::recursive);
  }
  Shown with_hub(const std::string& words, const std::string& token = "") const {
    std::string before =
        "unset HF_HUB_CACHE HF_TOKEN_PATH HF_TOKEN http_proxy HTTP_PROXY all_proxy ALL_PROXY; HF_HOME=" + (*this / "home") +
        " HF_ENDPOINT=http://127.0.0.1:" + std::to_string(port_) + " ";
    if (!token.empty()) before += "HF_TOKEN=" + token + " ";
    return corral(words, before);
  }
  std::string cache(const std::string& name) const { return *this / ("home/hub/models--org--" + name); }
  std::string snapshot(const std::string& name) const { return cache(name) + "/snapshots/" + kCommit; }
  // Lines of the server's log that contain both texts.
  std::vector<std::string> requests(const std::string& a, const std::string& b = "") const {
    std::ifstream log(*this / "log");
    std::vector<std::string> found;
    for (std::string line; std::getline(log, line);)
      if (line.find(a) != std::string::npos && line.find(b) != std::string::npos) found.push_back(line);
    return found;
  }
  static std::map<std::string, std::string> files(const fs::path& folder) {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(folder))
      if (entry.is_regular_file()) all[entry.path().lexically_relative(folder).string()] = text_of(entry.path());
    return all;
  }

  pid_t server_ = -1;
  int port_ = 0;
};

TEST_F(Hub, AModelIsFetchedIntoTheLayoutOfTheHubsToolsAndTakenByItsName) {
  put("plain", "llama31");
  fs::create_directory(*this / "hub/org/plain/sub");
  write_text(*this / "hub/org/plain/sub/a b.txt", "below");
  const Shown missing = with_hub("import --hf-model org/plain --dir " + (*this / "run"));
  EXPECT_EQ(missing.code, 2);
  EXPECT_NE(missing.err.find("corral download org/plain"), std::string::npos) << missing.err;
  const Shown got = with_hub("download org/plain");
  ASSERT_EQ(got.code, 0) << got.err;
  EXPECT_EQ(got.out, snapshot("plain") + "\n");
  EXPECT_TRUE(files(snapshot("plain")) == files(*this / "hub/org/plain"));
  EXPECT_EQ(text_of(cache("plain") + "/refs/main"), kCommit);
  for (const auto& entry : fs::recursive_directory_iterator(snapshot("plain"))) {
    if (entry.is_directory()) continue;
    ASSERT_TRUE(entry.is_symlink()) << entry.path();
    EXPECT_EQ(fs::canonical(entry.path()).parent_path(), fs::canonical(cache("plain") + "/blobs")) << entry.path();
    EXPECT_TRUE(fs::read_symlink(entry.path()).is_relative());
  }
  const Shown in = with_hub("import --hf-model org/plain --dir " + (*this / "run"));
  ASSERT_EQ(in.code, 0) << in.err;
  EXPECT_TRUE(raw_tensors(*this / "run/checkpoints/iter_0000000") == raw_tensors(golden("llama31")));
  // A second download fetches no file again.
  const size_t before = requests("GET").size();
  ASSERT_EQ(with_hub("download org/plain").code, 0);
  EXPECT_EQ(requests("GET").size(), before + 1) << "only the list of files";
}

TEST_F(Hub, ACommitIsTakenByItsNameAndAnUnknownRevisionIsNamed) {
  put("plain");
  ASSERT_EQ(with_hub("download org/plain --revision " + std::string(kCommit)).code, 0);
  EXPECT_FALSE(fs::exists(cache("plain") + "/refs"));
  const Shown out = with_hub("export --checkpoint org/plain@" + std::string(kCommit) + " --hf-path " + (*this / "out"));
  EXPECT_EQ(out.code, 0) << out.err;
  const Shown unknown = with_hub("download org/plain@v9");
  EXPECT_EQ(unknown.code, 2);
  EXPECT_EQ(unknown.err, "error: org/plain: no branch, tag or commit \"v9\" (404)\n");
}

TEST_F(Hub, WeightsInOtherFormatsAreLeftOutUnlessAskedFor) {
  put("plain");
  fs::create_directory(*this / "hub/org/plain/original");
  for (const char* name : {"original/consolidated.00.pth", "pytorch_model.bin"}) write_text(*this / "hub/org/plain/" + name, "pickle");
  const Shown some = with_hub("download org/plain");
  ASSERT_EQ(some.code, 0) << some.err;
  EXPECT_NE(some.err.find("left out, --all fetches them too: original/consolidated.00.pth, pytorch_model.bin\n"), std::string::npos)
      << some.err;
  EXPECT_FALSE(fs::exists(snapshot("plain") + "/original"));
  ASSERT_EQ(with_hub("download org/plain --all").code, 0);
  EXPECT_EQ(text_of(snapshot("plain") + "/original/consolidated.00.pth"), "pickle");
}

TEST_F(Hub, ACutConnectionIsContinuedWhereItWasCut) {
  put("cut");
  const Shown got = with_hub("download org/cut");
  ASSERT_EQ(got.code, 0) << got.err;
  EXPECT_TRUE(files(snapshot("cut")) == files(*this / "hub/org/cut"));
  const auto parts = requests("elsewhere GET");
  ASSERT_EQ(parts.size(), 4u);
  EXPECT_NE(parts[0].find(" - -"), std::string::npos) << parts[0];
  for (size_t i = 1; i < 4; ++i) EXPECT_NE(parts[i].find("bytes=" + std::to_string(i * 60'000) + "-"), std::string::npos) << parts[i];
}

TEST_F(Hub, AFailedDownloadIsContinuedByTheNextCommand) {
  put("dead");
  const Shown failed = with_hub("download org/dead");
  EXPECT_EQ(failed.code, 3);
  EXPECT_NE(failed.err.find("1.0 KB of 267.2 KB are kept: the same command continues from there"), std::string::npos) << failed.err;
  EXPECT_FALSE(fs::exists(cache("dead") + "/refs/main"));
  EXPECT_FALSE(fs::exists(cache("dead") + "/snapshots"));
  write_text(*this / "hub/alive", "");
  const Shown got = with_hub("download org/dead");
  ASSERT_EQ(got.code, 0) << got.err;
  EXPECT_TRUE(files(snapshot("dead")) == files(*this / "hub/org/dead"));
  EXPECT_NE(requests("elsewhere GET").back().find(" bytes=1000- "), std::string::npos);
}

TEST_F(Hub, AServerWithoutRangesIsAskedForTheWholeFile) {
  put("cut_norange");
  const Shown got = with_hub("download org/cut_norange");
  ASSERT_EQ(got.code, 0) << got.err;
  EXPECT_TRUE(files(snapshot("cut_norange")) == files(*this / "hub/org/cut_norange"));
}

TEST_F(Hub, AnIncompleteFileOfOtherContentIsFoundByItsHashAndFetchedAgain) {
  put("plain");
  ASSERT_EQ(with_hub("download org/plain").code, 0);
  const fs::path blob = fs::canonical(snapshot("plain") + "/model.safetensors");
  const std::string whole = text_of(blob);
  fs::remove_all(cache("plain") + "/snapshots");
  fs::remove(blob);
  write_text(blob.string() + ".incomplete", std::string(5000, 'x'));
  ASSERT_EQ(with_hub("download org/plain").code, 0);
  EXPECT_TRUE(text_of(snapshot("plain") + "/model.safetensors") == whole);
}

TEST_F(Hub, ContentWithoutTheStatedHashIsRemovedAndRefused) {
  for (const std::string name : {"wrong", "damaged"}) {  // large files have a SHA-256, small ones git's SHA-1
    put(name);
    const Shown got = with_hub("download org/" + name + " --jobs 1");
    EXPECT_EQ(got.code, 3) << name;
    EXPECT_NE(got.err.find(" of org/" + name + " is not the file that the hub describes: its hash is "), std::string::npos) << got.err;
    EXPECT_NE(got.err.find(name == "wrong" ? std::string(64, 'f') : std::string(40, '0')), std::string::npos) << got.err;
    for (const auto& entry : fs::directory_iterator(cache(name) + "/blobs")) {
      EXPECT_NE(entry.path().filename().string().find_first_not_of(name == "wrong" ? "f" : "0"), std::string::npos) << entry.path();
      EXPECT_FALSE(entry.path().string().ends_with(".incomplete")) << entry.path();
    }
    EXPECT_FALSE(fs::exists(cache(name) + "/refs/main"));
    EXPECT_EQ(with_hub("import --hf-model org/" + name + " --dir " + (*this / "run")).code, 2);
  }
}

TEST_F(Hub, TheTokenIsSentToTheHubButNotToTheServersItRedirectsTo) {
  put("gated");
  const Shown got = with_hub("download org/gated", "good");
  ASSERT_EQ(got.code, 0) << got.err;
  EXPECT_TRUE(files(snapshot("gated")) == files(*this / "hub/org/gated"));
  EXPECT_GE(requests("hub ", "Bearer good").size(), 4u);
  EXPECT_EQ(requests("hub ").size(), requests("hub ", "Bearer good").size());
  EXPECT_EQ(requests("elsewhere ").size(), 1u);
  EXPECT_EQ(requests("elsewhere ", "Bearer").size(), 0u);
  EXPECT_EQ((got.out + got.err).find("good"), std::string::npos) << "the token is shown";
}

TEST_F(Hub, EachRefusalSaysWhatToDo) {
  put("gated");
  put("closed");
  const struct {
    std::string name, token;
    int code;
    const char* says;
  } cases[] = {{"gated", "", 2, "org/gated: the hub asks who you are (401)"},
               {"gated", "", 2, "set HF_TOKEN to a token of yours\n       the hub says: Access to this model is restricted."},
               {"gated", "old", 2, "org/gated: the hub does not accept the token (401)"},
               {"gated", "stranger", 2, "org/gated: this token may not read it (403): ask its owner at http://127.0.0.1:"},
               {"nothing", "", 2, "org/nothing: no such model at http://127.0.0.1:"},
               {"closed", "", 3, "org/closed: the hub asks to come back later (429), 6 times"},
               {"../up", "", 2, "not the name of a model on the hub: expected OWNER/NAME"}};
  for (const auto& c : cases) {
    const Shown shown = with_hub("download org/" + c.name, c.token);
    EXPECT_EQ(shown.code, c.code) << c.name << shown.err;
    EXPECT_NE(shown.err.find(c.says), std::string::npos) << c.says << "\n" << shown.err;
    EXPECT_FALSE(fs::exists(snapshot(c.name))) << c.name;
  }
}

TEST_F(Hub, InvalidNamesAndAddressesAreRefusedBeforeAnyRequest) {
  for (const std::string name :
       {"''", "model", "a/b/c", "'a b/c'", "/etc/passwd", "org/--b", "org/model@../../x", "org/model@", "org/model --revision ../x"}) {
    const Shown shown = with_hub("download " + name);
    EXPECT_EQ(shown.code, 2) << name;
    EXPECT_NE(shown.err.find("not the name of a model on the hub: expected OWNER/NAME"), std::string::npos) << name << shown.err;
  }
  const Shown pasted = with_hub("download https://huggingface.co/meta-llama/Llama-3.2-1B/tree/main");
  EXPECT_NE(pasted.err.find("did you mean \"meta-llama/Llama-3.2-1B\"?"), std::string::npos) << pasted.err;
  for (const std::string endpoint : {"ftp://hub", "file:///etc", "huggingface.co"}) {
    const Shown shown = corral("download org/model", "HF_HOME=" + (*this / "home") + " HF_ENDPOINT=" + endpoint + " ");
    EXPECT_EQ(shown.code, 2) << endpoint;
    EXPECT_NE(shown.err.find("HF_ENDPOINT = \"" + endpoint + "\": expected the address of a hub"), std::string::npos) << shown.err;
  }
  EXPECT_FALSE(fs::exists(*this / "home"));
}

TEST_F(Hub, ABusyHubIsAskedAgain) {
  for (const std::string name : {"busy", "broken"}) {
    put(name);
    const Shown got = with_hub("download org/" + name);
    ASSERT_EQ(got.code, 0) << got.err;
    EXPECT_TRUE(files(snapshot(name)) == files(*this / "hub/org/" + name));
  }
}

TEST_F(Hub, NoFileNameFromTheHubLeavesTheCache) {
  for (const auto& [name, says] : {std::pair{"leaves", "would leave its folder"}, {"climbs", "states no etag that could name it"}}) {
    put(name);
    const Shown got = with_hub(std::string("download org/") + name);
    EXPECT_EQ(got.code, 3) << name;
    EXPECT_NE(got.err.find(says), std::string::npos) << got.err;
  }
  for (const auto& entry : fs::recursive_directory_iterator(folder_)) EXPECT_NE(entry.path().filename(), "evil");
}

TEST_F(Hub, ACircleOfRedirectsEnds) {
  put("circle");
  const Shown got = with_hub("download org/circle");
  EXPECT_EQ(got.code, 3);
  EXPECT_NE(got.err.find("more than 10 redirects"), std::string::npos) << got.err;
}

TEST_F(Hub, ATokenizerIsTakenByTheNameOfItsModel) {
  put("plain", "llama3");
  ASSERT_EQ(with_hub("download org/plain").code, 0);
  const Shown info = with_hub("tokenizer info --tokenizer org/plain --json");
  EXPECT_EQ(info.code, 0) << info.err;
  const Shown missing = with_hub("tokenizer info --tokenizer org/other --json");
  EXPECT_EQ(missing.code, 2);
}

}  // namespace
