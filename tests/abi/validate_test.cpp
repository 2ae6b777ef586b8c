// `corral plugin validate` passes good plugins however they are built, and names the check that a bad one fails, with the reason.
#include <map>
#include <nlohmann/json.hpp>

#include "corral/error.h"
#include "tests/abi/build_plugin.h"

namespace corral {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

class Validate : public testing::Test {
 protected:
  // Validates a plugin; returns the reason of each check with this result, by the check's id.
  std::map<std::string, std::string> validate(const std::string& so, const std::string& words = "", const std::string& fault = "",
                                              int code = -1, const std::string& result = "fail") const {
    const Ran ran = shop_.corral("plugin validate " + so + " --json --seed 1 " + words, "CORRAL_TEST_FAULT='" + fault + "'");
    const int expected = code >= 0 ? code : result == "fail" ? 1 : 0;
    EXPECT_EQ(ran.code, expected) << fault << ": " << ran.err << ran.out;
    std::map<std::string, std::string> reasons;
    if (ran.code > 1) return reasons;
    const json shown = json::parse(ran.out);
    for (const json& check : shown["checks"])
      if (check["result"] == result) reasons[check["id"]] = check["reason"];
    return reasons;
  }
  void expect_good(const std::string& so) const { EXPECT_EQ(validate(so, "", "", 0), (std::map<std::string, std::string>{})) << so; }

  Workshop shop_;
};

TEST_F(Validate, PassesAPluginInC99WithoutAnyProtobufLibrary) {
  const std::string so = shop_.build("c99");
  expect_good(so);
  const Ran needs = shop_.run("readelf -d " + so + " | grep NEEDED");
  EXPECT_EQ(std::count(needs.out.begin(), needs.out.end(), '\n'), 1) << needs.out;
  EXPECT_NE(needs.out.find("[libc.so.6]"), std::string::npos) << needs.out;
}

TEST_F(Validate, PassesAPluginWithItsOwnCxxRuntimeAndNoExceptions) {
  expect_good(shop_.build("static", "-static-libstdc++ -static-libgcc -fno-exceptions -DFREE_RUNTIME", "g++ -std=c++20 -x c++"));
}

TEST_F(Validate, SaysThatACxxRuntimeOfItsOwnIsLeftInMemory) {
  const std::string so = shop_.build("static", "-static-libstdc++ -static-libgcc -fno-exceptions", "g++ -std=c++20 -x c++");
  const auto failures = validate(so);
  EXPECT_EQ(failures.size(), 1u);
  EXPECT_NE(failures.at("life.hundred").find("it leaks"), std::string::npos) << failures.at("life.hundred");
}

TEST_F(Validate, PassesAPluginWithItsOwnAllocator) {
  expect_good(shop_.build("allocator", "-DOWN_ALLOCATOR -fno-gnu-unique", "g++ -std=c++20 -x c++"));
}

TEST_F(Validate, PassesAPluginOfClang) { expect_good(shop_.build("clang", "", "clang++ -std=c++20 -x c++")); }

TEST_F(Validate, PassesAPluginOfClangAndLibcxx) {
  shop_.write("has.cpp", "#include <string>\n");
  if (shop_.run("clang++ -std=c++20 -stdlib=libc++ -fsyntax-only has.cpp").code != 0)
    GTEST_SKIP() << "libc++ is not installed: libc++-14-dev and the libunwind-dev that glog needs exclude each other";
  expect_good(shop_.build("libcxx", "-stdlib=libc++", "clang++ -std=c++20 -x c++"));
}

TEST_F(Validate, NamesTheCheckThatABrokenContractFails) {
  const std::string so = shop_.build("faulty", "-fno-gnu-unique", kFaulty);
  struct Case {
    const char *fault, *check, *reason;
  };
  const std::string transform = "plugin precision/faulty, interface corral.precision/1, function transform: ";
  for (const Case& c : std::initializer_list<Case>{
           {"crash", "life.once", "it crashed (SIGSEGV)"},
           {"abort", "life.once", "it aborted the process"},
           {"failed assertion", "life.once", "it aborted the process\n      it wrote: pass.cpp:7: the graph has no nodes"},
           {"throw int", "life.once", "it let an exception of unknown type escape"},
           {"unknown status", "life.once", "it returned status 4711"},
           {"no message", "precision.random-graphs", "its reply is not the message that it should be (again with --seed 1)"},
           {"throw int in shutdown", "life.once", "an exception of unknown type"},
           {"fail in shutdown", "life.once", "plugin precision/faulty, function shutdown: a thread does not end"},
           {"leave a thread", "life.once", "after shutdown 1 of its threads is still there"},
           {"leave a thread", "life.hundred", "after shutdown 1 of its threads is still there"},
           {"leak", "life.hundred", "it leaks"},
           {"leak a little", "life.hundred", " bytes: it leaks"},
           {"use a sink late", "life.init-again", "a plugin wrote to a sink after the call that lent it"},
           {"keep a request", "precision.random-graphs", "what it kept of a request has changed"}}) {
    const auto failures = validate(so, std::string("--include ") + c.check, c.fault);
    const auto found = failures.find(c.check);
    ASSERT_NE(found, failures.end()) << c.fault;
    EXPECT_NE(found->second.find(c.reason), std::string::npos) << c.fault << ": " << found->second;
  }
}

TEST_F(Validate, AFormatGivesBackTheStateOfAnOptimizerOrHasNoPlaceForIt) {
  for (const char* good : {"", "refuse"}) EXPECT_TRUE(validate(CORRAL_FAULTY_CHECKPOINT, "--include ^checkpoint", good, 0).empty()) << good;
  for (const auto& [fault, reason] : {std::pair{"lose the state", "has different bytes after it was written"},
                                      {"forget the role", "is missing after it was written"},
                                      {"miscount the updates", "after 7 updates that it has seen \"8\""},
                                      {"refuse late", "but left something in the folder"}}) {
    const auto failures = validate(CORRAL_FAULTY_CHECKPOINT, "--include ^checkpoint", fault);
    EXPECT_EQ(failures.size(), 1u) << fault;
    ASSERT_TRUE(failures.contains("checkpoint.optimizer")) << fault;
    EXPECT_NE(failures.at("checkpoint.optimizer").find(reason), std::string::npos) << fault << ": " << failures.at("checkpoint.optimizer");
  }
}

TEST_F(Validate, AFormatIsOneCheckpointOnceItsPartsAreCommitted) {
  EXPECT_EQ(validate(CORRAL_FAULTY_CHECKPOINT, "--include checkpoint.parts", "", 0, "pass").at("checkpoint.parts"), "in several parts");
  EXPECT_EQ(validate(CORRAL_FAULTY_CHECKPOINT, "--include checkpoint.parts", "one part", 0, "pass").at("checkpoint.parts"), "in one part");
  for (const auto& [fault, reason] : {std::pair{"forget a part", "has different bytes after it was written"},
                                      {"one part late", "but left something in the folder"},
                                      {"commit at once", "it opens a checkpoint whose parts are finished, before it is committed"}})
    EXPECT_NE(validate(CORRAL_FAULTY_CHECKPOINT, "--include checkpoint.parts", fault)["checkpoint.parts"].find(reason), std::string::npos)
        << fault;
}

TEST_F(Validate, AParallelPluginNamesWhatIsThereAndKeepsTheGraph) {
  EXPECT_TRUE(validate(CORRAL_FAULTY_PARALLEL, "", "", 0).empty());
  for (const auto& [fault, check, reason] :
       {std::tuple{"cut what is not there", "parallel.place", "it cuts tensor 1000000, the graph has"},
        {"cut an axis too many", "parallel.place", " along axis 2, which has 2 axes"},
        {"cut over nothing", "parallel.place", " over \"expert\", which is not a dimension of the mesh"},
        {"cut twice", "parallel.place", " over tensor twice"},
        {"forget a micro-batch", "parallel.place", " for micro-batch 1 0 times"},
        {"lose a node", "parallel.random-graphs", "its graph cannot run"},
        {"lose a field", "parallel.unknown", ""}}) {
    const auto failures = validate(CORRAL_FAULTY_PARALLEL, std::string("--include ") + check, fault);
    ASSERT_TRUE(failures.contains(check)) << fault;
    EXPECT_NE(failures.at(check).find(reason), std::string::npos) << fault << ": " << failures.at(check);
  }
}

TEST_F(Validate, ADeviceKnowsItsTimeItsKernelsAndItsChoices) {
  EXPECT_TRUE(validate(CORRAL_FAULTY_DEVICE, "", "", 0).empty());
  EXPECT_EQ(validate(CORRAL_FAULTY_DEVICE, "--include ^device", "", 0, "pass").at("device.kernels"), "faulty, second of two");
  for (const auto& [fault, check, reason] : {std::tuple{"a clock that jumps", "device.clock", "it counts 1000 seconds between two events"},
                                             {"a kernel of nobody", "device.kernels", "it does not say whose kernel runs swiglu"},
                                             {"a free kernel", "device.kernels", "operations on 0 bytes"},
                                             {"choose anew", "device.choices", "opened with its own choices, it makes others"},
                                             {"an odd alignment", "device.memory", "it aligns memory to 65"},
                                             {"a large alignment", "device.memory", "1000 bytes are not aligned to 1073741824"}}) {
    const auto failures = validate(CORRAL_FAULTY_DEVICE, std::string("--include ") + check, fault);
    ASSERT_TRUE(failures.contains(check)) << fault;
    EXPECT_NE(failures.at(check).find(reason), std::string::npos) << fault << ": " << failures.at(check);
  }
}

TEST_F(Validate, ACollectiveGivesEachRankWhatTheExchangeSays) {
  EXPECT_TRUE(validate(CORRAL_FAULTY_COLLECTIVE, "", "", 0).empty());
  for (const auto& [fault, check, reason] :
       {std::tuple{"forget a rank", "collective.exchanges", "all_reduce of sums of 1 elements over 3 ranks: element 0 of rank 0 is wrong"},
        {"forget a rank", "collective.groups", "in a communicator of ranks 0 and 2: all_reduce of sums"},
        {"gather backwards", "collective.exchanges", "all_gather of 1 elements over 3 ranks"},
        {"wait in start", "collective.exchanges", "it did not end within 2 seconds"},
        {"always the first", "collective.place", "opened as rank 1 of 3, it says that it is rank 0 of 3"},
        {"both ways", "collective.place", "it exchanges host memory, but accepts an exchange on a stream"}}) {
    const auto failures = validate(
        CORRAL_FAULTY_COLLECTIVE, std::string("--include ") + check + (fault == std::string("wait in start") ? " --timeout 2" : ""), fault);
    ASSERT_TRUE(failures.contains(check)) << fault;
    EXPECT_NE(failures.at(check).find(reason), std::string::npos) << fault << ": " << failures.at(check);
  }
}

TEST_F(Validate, AnOptimizerChangesNothingInAStepThatIsNotFinite) {
  EXPECT_TRUE(validate(CORRAL_FAULTY_OPTIMIZER, "--include ^optimizer", "", 0).empty());
  const auto failures = validate(CORRAL_FAULTY_OPTIMIZER, "--include ^optimizer", "update always");
  EXPECT_EQ(failures.size(), 1u);
  ASSERT_TRUE(failures.contains("optimizer.not-finite"));
  EXPECT_NE(failures.at("optimizer.not-finite").find("a step with nan in loss_sum changes saved states"), std::string::npos)
      << failures.at("optimizer.not-finite");
  EXPECT_NE(validate(CORRAL_FAULTY_OPTIMIZER, "--include optimizer.random-graphs", "forget the norm")["optimizer.random-graphs"].find(
                "the state grad_norm is not written"),
            std::string::npos);
}

TEST_F(Validate, ATokenizerUsesWhatItIsLentInTheThreadOfTheCall) {
  const auto failures = validate(CORRAL_FAULTY_TOKENIZER, "--include tokenizer.round-trip");
  ASSERT_TRUE(failures.contains("tokenizer.round-trip"));
  EXPECT_NE(failures.at("tokenizer.round-trip").find("function train: it asked for text in another thread"), std::string::npos)
      << failures.at("tokenizer.round-trip");
}

TEST_F(Validate, EndsACheckThatHangs) {
  const std::string so = shop_.build("faulty", "-fno-gnu-unique", kFaulty);
  const auto failures = validate(so, "--include life.once --timeout 0.5", "hang");
  EXPECT_EQ(failures.at("life.once"), "it did not end within 0.5 seconds");
}

TEST_F(Validate, NamesEachFaultOfTheFile) {
  EXPECT_NE(validate(shop_.build("any", "-DANY_ID")).at("interface.only-its-ids").find("it answers to "), std::string::npos);
  EXPECT_NE(validate(shop_.build("lies", "-DVERSION='\"9\"'")).at("descriptor.manifest").find("version \"9\""), std::string::npos);

  // One byte of a loaded section changes after the build; the size still equals the manifest's.
  const std::string so = shop_.build("changed");
  std::string bytes = Workshop::read(so);
  bytes[bytes.find("corral.precision/1")] = 'C';
  std::ofstream(so, std::ios::binary) << bytes;
  EXPECT_EQ(validate(so).count("file.manifest"), 1u);

  // The plugin has a second export, and a unique symbol that keeps it loaded.
  shop_.write("more.map", "{ global: *; };\n");
  shop_.write("more.cpp",
              "template <class T> struct S { static inline int shared = 0; };\nextern \"C\" int more();\nint more() { return "
              "++S<int>::shared; }\n");
  const std::string more =
      shop_.build("more", shop_.path("more.cpp") + " -fvisibility=default -Wno-error", "g++ -std=c++20 -x c++", shop_.path("more.map"));
  if (!more.empty()) {
    const auto failures = validate(more);
    EXPECT_EQ(failures.count("file.one-export"), 1u);
    EXPECT_EQ(failures.count("file.no-unique-symbol"), 1u);
    EXPECT_NE(failures.at("life.hundred").find("it is still mapped"), std::string::npos) << failures.at("life.hundred");
  }
}

TEST_F(Validate, EndsWith2IfTheFileIsNotAPluginAnd3IfItCannotRunHere) {
  shop_.write("text.so", "no plugin\n");
  EXPECT_EQ(shop_.corral("plugin validate text.so").code, 2);
  EXPECT_EQ(shop_.corral("plugin validate none.so").code, 2);
  EXPECT_EQ(shop_.corral("plugin validate " CORRAL_BINARY_DIR "/bin/corral").code, 2);
  EXPECT_EQ(shop_.corral("plugin validate").code, 2);
  const std::string so = shop_.build("c99");
  EXPECT_EQ(shop_.corral("plugin validate " + so + " --include nothing-like-it").code, 2);
  EXPECT_EQ(shop_.corral("plugin validate " + so + " --include '('").code, 2);
}

TEST_F(Validate, ShowsAndChoosesChecks) {
  const std::string so = shop_.build("faulty", "-fno-gnu-unique", kFaulty);
  const Ran listed = shop_.corral("plugin validate " + so + " --list");
  EXPECT_EQ(listed.code, 0);
  for (const char* id : {"file.one-export", "table.prefixes", "precision.unknown"}) EXPECT_NE(listed.out.find(id), std::string::npos) << id;
  EXPECT_EQ(listed.out.find("optimizer."), std::string::npos);
  const Ran chosen = shop_.corral("plugin validate " + so + " --include '^(file|descriptor)' --exclude manifest --in-process --seed 7");
  EXPECT_EQ(chosen.code, 0) << chosen.err;
  EXPECT_NE(chosen.out.find("precision/faulty: 4 passed, 0 failed, 0 warnings, 0 skipped; seed 7"), std::string::npos) << chosen.out;
  const Ran failed = shop_.corral("plugin validate " + so + " --include '^(file|life.once)' --only-failed", "CORRAL_TEST_FAULT=abort");
  EXPECT_EQ(failed.code, 1);
  EXPECT_EQ(failed.out.find("pass "), std::string::npos) << failed.out;
  EXPECT_EQ(failed.out.find("fail  life.once"), 0u) << failed.out;
}

}  // namespace
}  // namespace corral
