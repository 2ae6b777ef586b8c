// A plugin that breaks its contract ends the program with one line that names plugin, interface and function, and with a fixed exit code.
#include <cstring>
#include <initializer_list>

#include "tests/abi/build_plugin.h"

namespace corral {
namespace {

struct Fault {
  const char* name;
  int code;
  const char* message;
};

class Faults : public testing::Test {
 protected:
  void expect(const Fault& fault, const std::string& plugin) const {
    const Ran ran = shop_.corral(train_with(shop_, plugin), std::string("CORRAL_TEST_FAULT='") + fault.name + "'");
    EXPECT_EQ(ran.code, fault.code) << fault.name << ": " << ran.err.substr(0, 2000);
    const size_t begin = ran.err.find("error: ");
    ASSERT_NE(begin, std::string::npos) << fault.name << ": " << ran.err.substr(0, 2000);
    EXPECT_EQ(ran.err.compare(begin + 7, std::strlen(fault.message), fault.message), 0)
        << fault.name << ": " << ran.err.substr(begin, 2000);
    EXPECT_EQ(ran.err.find('\n', begin), ran.err.size() - 1) << fault.name << ": more than one line";
    EXPECT_LT(ran.err.size(), 100000u) << fault.name;
  }
  Workshop shop_;
};

#define TRANSFORM "plugin precision/faulty, interface corral.precision/1, function transform: "

TEST_F(Faults, OfEveryKindEndWithOneLineThatNamesTheFunction) {
  const std::string so = shop_.build("faulty", "-fno-gnu-unique", kFaulty);
  for (const Fault& fault : std::initializer_list<Fault>{
           {"throw bad_alloc", 4, TRANSFORM "it let an exception: std::bad_alloc escape\n"},
           {"throw int", 4, TRANSFORM "it let an exception of unknown type escape\n"},
           {"unknown status", 4, TRANSFORM "it returned status 4711, which the ABI does not know: all is well\n"},
           {"negative status", 4, TRANSFORM "it returned status -1, which the ABI does not know\n"},
           {"no sentence", 2, TRANSFORM "it failed and gave no reason\n"},
           {"null sentence", 4, TRANSFORM "it failed and gave no reason\n"},
           {"not UTF-8", 4, TRANSFORM "caf\xEF\xBF\xBD \xEF\xBF\xBD\xEF\xBF\xBD  [31mred\n"},
           {"long sentence", 4, TRANSFORM "xxxxxxxx"},
           {"abort", 4, TRANSFORM "it aborted the process\n"},
           {"crash", 4, TRANSFORM "it crashed (SIGSEGV)\n"},
           {"no message", 4, TRANSFORM "its reply is not the message that it should be\n"},
           {"null reply", 4, TRANSFORM "its reply is too large\n"},
           {"endless reply", 4, TRANSFORM "its reply is too large\n"},
           {"re-enter", 2, "re-entered\n"},
           {"throw bad_alloc in init", 4, "plugin precision/faulty, function init: it let an exception: std::bad_alloc escape\n"},
           {"throw int in init", 4, "plugin precision/faulty, function init: it let an exception of unknown type escape\n"},
           {"fail in init", 3, "the licence server is out\n"},
           {"abort in init", 4, "plugin precision/faulty, function init: it aborted the process\n"},
           {"throw in get_interface", 4, "plugin precision/faulty, function get_interface: it let an exception of unknown type escape\n"}})
    expect(fault, so);
}

// Exceptions of another C++ runtime cannot be caught by the host; they end the process, with the same line.
TEST_F(Faults, OfAPluginWithItsOwnCxxRuntimeEndWithTheSameLine) {
  const std::string so = shop_.build("faulty", "-static-libstdc++ -static-libgcc", kFaulty);
  expect({"throw int", 4, TRANSFORM "it aborted the process\n"}, so);
  expect({"unknown status", 4, TRANSFORM "it returned status 4711, which the ABI does not know: all is well\n"}, so);
}

// A [control] function may use the objects lent to it only in the thread of the call.
TEST_F(Faults, OfAThreadThatUsesTheTextOfAnotherThreadsCallAreNamed) {
  shop_.write("text.txt", "one two three one two three\n");
  const Ran ran = shop_.corral("tokenizer train --data text.txt --vocab-size 300 --out tok --method " CORRAL_FAULTY_TOKENIZER);
  EXPECT_EQ(ran.code, 4) << ran.err;
  EXPECT_NE(ran.err.find("error: plugin tokenizer/faulty, interface corral.tokenizer/1, function train: it asked for text in another "
                         "thread than the one that it was called in\n"),
            std::string::npos)
      << ran.err;
}

// A run never closes a plugin, so a plugin whose shutdown would fail does not disturb the exit.
TEST_F(Faults, OfShutdownDoNotDisturbARun) {
  const std::string so = shop_.build("quiet", "-fno-gnu-unique", "cc -std=c99");
  const Ran ran = shop_.corral(train_with(shop_, so));
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.err.find("error"), std::string::npos) << ran.err;
}

}  // namespace
}  // namespace corral
