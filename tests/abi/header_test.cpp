// corral/abi.h compiles everywhere, has no hidden padding and states owners and threads; its members never move or disappear.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/abi/abi_header.h"
#include "tests/abi/build_plugin.h"

namespace corral {
namespace {

const std::string kInclude = " -I" CORRAL_SOURCE_DIR "/sdk/include ";

// A program with a variable of every type of the header, for compilers and abidiff. A plugin alone would not do, as it gives its table away
// as a void pointer.
std::string probe(const std::vector<AbiStruct>& structs, const std::string& header = "corral/abi.h") {
  std::string code = "#include \"" + header + "\"\n";
  for (const AbiStruct& s : structs) code += s.name + " probe_" + s.name + ";\n";
  return code;
}

// A program that prints a line per member: struct.member, offset, size, declaration.
std::string layout_program(const std::vector<AbiStruct>& structs) {
  std::string code = "#include <stddef.h>\n#include <stdio.h>\n#include \"corral/abi.h\"\nint main(void) {\n";
  for (const AbiStruct& s : structs) {
    for (const AbiMember& m : s.members)
      code += "  printf(\"%s.%s %zu %zu %s\\n\", \"" + s.name + "\", \"" + m.name + "\", offsetof(" + s.name + ", " + m.name +
              "), sizeof(((" + s.name + " *)0)->" + m.name + "), \"" + m.declaration + "\");\n";
    code += "  printf(\"%s %zu\\n\", \"" + s.name + "\", sizeof(" + s.name + "));\n";
  }
  return code + "  return 0;\n}\n";
}

TEST(AbiHeader, CompilesAsC99C11AndCxx20ByGccAndClang) {
  const Workshop shop;
  shop.write("probe.c", probe(structs_of(abi_text())));
  for (const char* compiler :
       {"gcc -std=c99", "gcc -std=c11", "g++ -std=c++20 -x c++", "clang -std=c99", "clang -std=c11", "clang++ -std=c++20 -x c++"}) {
    const Ran ran = shop.run(std::string(compiler) + " -pedantic -Wall -Wextra -Werror -c -o probe.o" + kInclude + "probe.c");
    EXPECT_EQ(ran.code, 0) << compiler << "\n" << ran.err;
  }
}

TEST(AbiHeader, HasNoPadding) {
  const Workshop shop;
  shop.write("probe.c", probe(structs_of(abi_text())));
  const std::string strict = "gcc -std=c99 -Wpadded -Werror=padded -c -o probe.o" + kInclude;
  const Ran ran = shop.run(strict + "probe.c");
  EXPECT_EQ(ran.code, 0) << ran.err;
  shop.write("hole.c", "#include <stdint.h>\nstruct s { uint64_t struct_size; uint32_t a; } probe;\n");
  EXPECT_NE(shop.run(strict + "hole.c").code, 0) << "the compiler does not see a hole";
}

TEST(AbiHeader, EveryStructBeginsWithItsSize) {
  const auto structs = structs_of(abi_text());
  EXPECT_GE(structs.size(), 16u);
  for (const AbiStruct& s : structs) {
    ASSERT_FALSE(s.members.empty()) << s.name;
    EXPECT_EQ(s.members[0].declaration, "uint64_t struct_size") << s.name;
  }
}

// Parts that the comment of a function pointer must have and lacks, or "".
std::string lacking(const AbiMember& m) {
  std::string lacks;
  const auto says = [&](const char* pattern) { return std::regex_search(m.comment, std::regex(pattern)); };
  if (!says("\\[(control|any|stream)\\]")) lacks += " thread";
  if (!says("State: \\w")) lacks += " state";
  if (!says("Lifetime: |own(s|ed)\\b|[Ff]rees|freed|caller's|lent|valid|copy of|copied")) lacks += " lifetime";
  return lacks;
}

TEST(AbiHeader, EveryFunctionSaysThreadStateAndLifetime) {
  size_t functions = 0;
  for (const AbiStruct& s : structs_of(abi_text()))
    for (const AbiMember& m : s.members)
      if (m.is_function()) {
        ++functions;
        EXPECT_EQ(lacking(m), "") << s.name << "." << m.name << ": " << m.comment;
      }
  EXPECT_GE(functions, 60u);
  const auto bad = structs_of("typedef struct s {\n  uint64_t struct_size;\n  /* Does it. [any] */\n  void (*f)(void);\n} s;\n");
  EXPECT_EQ(lacking(bad[0].members[1]), " state lifetime");
}

// Existing plugins were compiled with the layout in tests/abi/layout.txt. The ABI grows at the ends of structs, so old lines never change.
TEST(AbiHeader, NothingMovesAndNothingIsRemoved) {
  const Workshop shop;
  shop.write("layout.c", layout_program(structs_of(abi_text())));
  const Ran ran = shop.run("cc -std=c99" + kInclude + "layout.c -o layout && ./layout");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const std::string now = CORRAL_BINARY_DIR "/tests/abi/layout.txt";
  std::ofstream(now) << ran.out;
  EXPECT_EQ(ran.out, Workshop::read(CORRAL_SOURCE_DIR "/tests/abi/layout.txt"))
      << "members may only be appended, whole structs added anywhere; where that is what you did:\n  cp " << now << " tests/abi/layout.txt";
}

// An id is permanent: the host serves its interface for ever, and a changed meaning gets a new number beside the old one.
TEST(AbiHeader, NoIdDisappears) {
  std::string now;
  for (const auto& [name, id] : ids_of(abi_text())) {
    EXPECT_TRUE(std::regex_match(id, std::regex("corral\\.\\w+/[1-9]\\d*"))) << id << ": drafts do not belong into abi.h";
    now += name + " " + id + "\n";
  }
  std::istringstream committed(Workshop::read(CORRAL_SOURCE_DIR "/tests/abi/ids.txt"));
  size_t count = 0;
  for (std::string line; std::getline(committed, line); ++count) EXPECT_NE(now.find(line + "\n"), std::string::npos) << line << " is gone";
  EXPECT_EQ(count, ids_of(abi_text()).size()) << "an id is missing in tests/abi/ids.txt; the header has\n" << now;
}

class Abidiff : public testing::Test {
 protected:
  void SetUp() override {
    if (shop_.run("command -v abidiff").code != 0) GTEST_SKIP() << "abidiff is not installed (abigail-tools)";
    compile("was", abi_text());
  }
  void compile(const std::string& name, const std::string& header) {
    shop_.write(name + ".h", header);
    shop_.write(name + ".c", probe(structs_of(abi_text()), name + ".h"));
    ASSERT_EQ(shop_.run("cc -std=c99 -g -shared -fPIC " + name + ".c -o lib" + name + ".so").code, 0);
  }
  int compare(const std::string& name) { return shop_.run("abidiff libwas.so lib" + name + ".so").code; }
  Workshop shop_;
};

TEST_F(Abidiff, SeesASlotThatIsInsertedThroughTheProbeLibrary) {
  const std::string header = abi_text();
  const auto with = [&](const std::string& after, const std::string& slot) {
    std::string changed = header;
    const size_t at = changed.find(after);
    EXPECT_NE(at, std::string::npos) << after;
    return changed.insert(at + after.size(), slot);
  };
  compile("same", header);
  EXPECT_EQ(compare("same"), 0);
  compile("inserted", with("corral_call recognize;", "\n  corral_call inserted;"));
  EXPECT_NE(compare("inserted") & 4, 0) << "abidiff is blind";
  compile("retyped", std::regex_replace(header, std::regex("uint64_t first_row, uint64_t rows"), "uint64_t first_row, uint32_t rows"));
  EXPECT_NE(compare("retyped") & 4, 0) << "abidiff is blind";
}

}  // namespace
}  // namespace corral
