// Plugins that cannot be used or must not be loaded: each is listed with its reason, and none of its code runs.
#include <dlfcn.h>
#include <sys/resource.h>

#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>

#include "corral/error.h"
#include "elf_file.h"
#include "kernel/plugin/load.h"
#include "kernel/plugin/registry.h"
#include "tests/abi/build_plugin.h"

namespace corral {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

// Processor time of this process or of its ended children: a busy machine does not add to it.
double cpu_seconds(int who) {
  rusage used{};
  getrusage(who, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

// Raises the x86-64 level that the file needs to one that no processor has.
void need_a_future_processor(const std::string& so) {
  std::string bytes = Workshop::read(so);
  const char head[] = {0x02, '\x80', 0x00, '\xc0', 0x04, 0, 0, 0};  // GNU_PROPERTY_X86_ISA_1_NEEDED, four bytes
  const size_t at = bytes.find(std::string(head, sizeof head));
  ASSERT_NE(at, std::string::npos);
  bytes[at + sizeof head] |= 0x20;
  std::ofstream(so, std::ios::binary) << bytes;
}

class Traps : public testing::Test {
 protected:
  std::string so(const std::string& name) const { return shop_.path("plugins/precision/" + name + ".so"); }

  // Builds a plugin that writes a file when it is loaded.
  std::string trap(const std::string& name, const std::string& flags = "", const std::string& compiler = "cc -std=c99") const {
    return shop_.build(name, "-DWRITE_WHEN_LOADED='\"" + shop_.path("loaded") + "\"' " + flags, compiler);
  }
  // Builds a plugin that needs a symbol of a library, and removes the library.
  std::string needing(const std::string& name, const std::string& library, const std::string& version = "") const {
    shop_.write("stub.c", "void gone(void) {}\n");
    shop_.write("use.c", "void gone(void);\nvoid use(void);\nvoid use(void) { gone(); }\n");
    shop_.write("stub.map", version + " { gone; };\n");
    const std::string script = version.empty() ? "" : " -Wl,--version-script=stub.map";
    EXPECT_EQ(shop_.run("cc -shared -fPIC stub.c -Wl,-soname," + library + script + " -o libstub.so").code, 0);
    const std::string made = trap(name, shop_.path("use.c") + " -Wl,--no-as-needed " + shop_.path("libstub.so"));
    fs::remove(shop_.path("libstub.so"));
    return made;
  }
  void cut(const std::string& name) const {
    trap(name);
    fs::resize_file(so(name), fs::file_size(so(name)) / 2);
  }

  std::string load(const std::string& path) const {
    Libraries libraries;
    try {
      load_plugin_file(examine(path, libraries));
      return "";
    } catch (const Error& e) {
      return std::to_string(e.exit_code()) + " " + e.what();
    }
  }

  Workshop shop_;
};

TEST_F(Traps, AreListedEachWithItsReasonAndNoneIsRun) {
  trap("good");
  trap("future", "-Wl,-z,x86-64-v2");
  need_a_future_processor(so("future"));
  ASSERT_TRUE(shop_.manifest("future"));
  cut("cut");
  needing("newer", "libstdc++.so.6", "GLIBCXX_9.9.9");
  needing("alone", "libnone.so.1");
  trap("major");
  const std::string base = shop_.path("plugins/precision/major");
  ASSERT_EQ(shop_
                .run(CORRAL_BINARY_DIR "/sdk/corral-manifest --plugin " + base + ".so --out " + base +
                     ".manifest --kind precision --name major --version 1 --license MIT --abi 2.0")
                .code,
            0);
  trap("bare");
  fs::remove(shop_.path("plugins/precision/bare.manifest"));
  shop_.write("plugins/precision/text.so", "not a shared object\n");

  const Ran listed = shop_.corral("plugins --json --plugin-path plugins");
  ASSERT_EQ(listed.code, 0) << listed.err;
  EXPECT_FALSE(fs::exists(shop_.path("loaded")));
  std::map<std::string, std::string> reasons;
  for (const json& plugin : json::parse(listed.out))
    if (plugin["path"].get<std::string>().starts_with(shop_.path())) {
      reasons[plugin["name"]] = plugin["reason"];
      EXPECT_EQ(plugin["available"].get<bool>(), plugin["name"] == "good") << plugin.dump();
    }
  const std::pair<const char*, const char*> expected[] = {{"future", "this processor lacks an x86-64 level"},
                                                          {"cut", "the file is cut off or damaged"},
                                                          {"newer", "it needs GLIBCXX_9.9.9, which "},
                                                          {"alone", "the library libnone.so.1 is missing"},
                                                          {"major", "it targets ABI 2.0, this Corral offers 1."},
                                                          {"bare", "it has no manifest beside it (bare.manifest)"},
                                                          {"text", "the file is not an ELF file"}};
  for (const auto& [name, reason] : expected) EXPECT_EQ(reasons[name].find(reason), 0u) << name << ": " << reasons[name];
  EXPECT_EQ(reasons.size(), std::size(expected) + 1);

  // The test would see a trap that runs: loading one writes the file.
  EXPECT_EQ(load(so("good")), "");
  EXPECT_TRUE(fs::exists(shop_.path("loaded")));
}

TEST_F(Traps, NamedByAFlagEndWith2IfTheFileIsNotAPluginAnd3IfThisMachineCannotRunIt) {
  trap("future", "-Wl,-z,x86-64-v2");
  need_a_future_processor(so("future"));
  ASSERT_TRUE(shop_.manifest("future"));
  cut("cut");
  needing("alone", "libnone.so.1");
  shop_.write("plugins/precision/text.so", "not a shared object\n");
  shop_.build("unresolved", "-DMISSING_SYMBOL");
  shop_.build("other_kind", "-DKIND='\"optimizer\"'");
  const std::string base = shop_.path("plugins/precision/other_kind");
  ASSERT_EQ(shop_
                .run(CORRAL_BINARY_DIR "/sdk/corral-manifest --plugin " + base + ".so --out " + base +
                     ".manifest --kind optimizer --name other_kind --version 1.2.3 --license MIT --abi 1.0")
                .code,
            0);
  const std::tuple<const char*, int, const char*> expected[] = {{"future", 3, "this processor lacks"},
                                                                {"alone", 3, "the library libnone.so.1 is missing"},
                                                                {"cut", 2, "the file is cut off or damaged"},
                                                                {"text", 2, "the file is not an ELF file"},
                                                                {"unresolved", 2, "undefined symbol: corral_test_no_such_function"},
                                                                {"other_kind", 2, "a plugin of kind optimizer"},
                                                                {"none", 2, "there is no such file"}};
  for (const auto& [name, code, message] : expected) {
    const Ran ran = shop_.corral(train_with(shop_, so(name)));
    EXPECT_EQ(ran.code, code) << name << ": " << ran.err;
    EXPECT_NE(ran.err.find(message), std::string::npos) << name << ": " << ran.err;
    EXPECT_EQ(ran.err.find("error: "), ran.err.rfind("error: ")) << ran.err;
  }
  // The same exit codes come when the plugin is found by its name in a folder.
  EXPECT_EQ(shop_.corral(train_with(shop_, "alone --plugin-path plugins")).code, 3);
  EXPECT_EQ(shop_.corral(train_with(shop_, "cut --plugin-path plugins")).code, 2);
}

TEST_F(Traps, AFalseDescriptorIsRefusedNamingItsFault) {
  const std::pair<const char*, const char*> expected[] = {
      {"-DMAGIC=7", "its corral_plugin is not a descriptor (wrong magic number)"},
      {"-DMAJOR=2", "it targets ABI 2.0, this Corral offers 1."},
      {"-DSIZE=72", "its descriptor lacks init, get_interface or shutdown"},
      {"-DVERSION=0", "its descriptor has a null string"},
      {"-DKIND='\"model\"'", "its descriptor says kind \"model\", its manifest \"precision\""},
      {"-DVERSION='\"9\"'", "its descriptor says version \"9\", its manifest \"1.2.3\""},
      {"-DINTERFACE_ID='\"corral.precision/2\"'", "it offers no interface corral.precision/1"}};
  int number = 0;
  for (const auto& [flags, message] : expected) {
    // Each needs another name, because the loader recognizes a file by its path.
    const std::string name = "bad" + std::to_string(number++), said = load(shop_.build(name, flags));
    EXPECT_EQ(said.find("2 plugin precision/" + name + ": " + message), 0u) << flags << ": " << said;
  }
}

TEST_F(Traps, AStrippedPluginKeepsItsManifestAndIsRefusedWhereItIsCut) {
  int number = 0;
  for (const std::string strip : {"strip", "strip --strip-unneeded --remove-section=.comment --remove-section=.note", "strip -g",
                                  "objcopy --strip-all", "llvm-strip"}) {
    if (shop_.run("command -v " + strip.substr(0, strip.find(' '))).code != 0) continue;
    // Each needs another name, because the loader recognizes a file by its path.
    const std::string file = shop_.build("stripped" + std::to_string(number++), "-g"), whole = Workshop::read(file);
    ASSERT_EQ(shop_.run(strip + " " + file).code, 0) << strip;
    const std::string less = Workshop::read(file);
    EXPECT_LT(less.size(), whole.size()) << strip;
    Libraries libraries;
    EXPECT_EQ(examine(file, libraries).reason, "") << strip;
    EXPECT_EQ(load(file), "") << strip;
    EXPECT_EQ(shop_.corral("plugin validate " + file + " --include ^file").code, 0) << strip;
    fs::copy_file(fs::path(file).replace_extension(".manifest"), shop_.path("cut.manifest"), fs::copy_options::overwrite_existing);
    for (const std::string& bytes : {whole, less})
      for (size_t size = 0; size < bytes.size(); size += 64) {
        shop_.write("cut.so", bytes.substr(0, size));
        EXPECT_FALSE(examine(shop_.path("cut.so"), libraries).available) << strip << ": cut at byte " << size << " of " << bytes.size();
      }
  }
  EXPECT_GE(number, 4);
}

TEST_F(Traps, AFileWithOtherSegmentsThanItsManifestSaysIsRefused) {
  const std::string file = shop_.build("other");
  fs::copy_file(shop_.build("larger", "-DWRITE_WHEN_LOADED='\"x\"'"), file, fs::copy_options::overwrite_existing);
  Libraries libraries;
  const PluginInfo info = examine(file, libraries);
  EXPECT_FALSE(info.available);
  EXPECT_NE(info.reason.find("bytes, its manifest says "), std::string::npos) << info.reason;
}

// A file that is cut at any multiple of 64 bytes is refused, or the loader takes it and the process lives.
TEST_F(Traps, ACutFileNeverKillsTheProcess) {
  const std::string whole = Workshop::read(shop_.build("whole", "-g"));
  size_t refused = 0;
  std::vector<size_t> taken;
  for (size_t size = 0; size < whole.size(); size += 64) {
    try {
      elf::read(std::string_view(whole).substr(0, size));
      taken.push_back(size);
    } catch (const elf::Malformed&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 100u);
  for (const size_t size : taken) {
    shop_.write("cut.so", whole.substr(0, size));
    if (const pid_t child = fork(); child == 0) {
      dlopen(shop_.path("cut.so").c_str(), RTLD_NOW | RTLD_LOCAL);
      _exit(0);
    } else {
      int status = 0;
      waitpid(child, &status, 0);
      EXPECT_TRUE(WIFEXITED(status)) << "cut at byte " << size << " of " << whole.size();
    }
  }
}

TEST_F(Traps, FortyPluginsAreListedInFiftyMilliseconds) {
  trap("p0");
  for (int i = 1; i < 40; ++i) {
    const std::string name = "p" + std::to_string(i);
    fs::copy_file(so("p0"), so(name));
    ASSERT_TRUE(shop_.manifest(name));
  }
  ASSERT_EQ(shop_.corral("plugins --plugin-path plugins").code, 0);
  double best = 1;
  for (int again = 0; again < 5; ++again) {
    const double before = cpu_seconds(RUSAGE_CHILDREN);
    const Ran listed = shop_.corral("plugins --plugin-path plugins");
    best = std::min(best, cpu_seconds(RUSAGE_CHILDREN) - before);
    EXPECT_NE(listed.out.find("p39"), std::string::npos);
  }
  EXPECT_LT(best, 0.050);
  RecordProperty("milliseconds", std::to_string(best * 1e3));
}

TEST_F(Traps, AThousandManifestsAndAThousandLoadsTakeLessThanASecondEach) {
  const std::string first = shop_.build("whole");
  for (int i = 0; i < 1000; ++i) {
    const std::string base = shop_.path("many/precision/p" + std::to_string(i) + "/whole");
    fs::create_directories(fs::path(base).parent_path());
    fs::copy_file(first, base + ".so");
    fs::copy_file(fs::path(first).replace_extension(".manifest"), base + ".manifest");
  }
  std::vector<std::string> paths = shared_objects(shop_.path("many"));
  ASSERT_EQ(paths.size(), 1000u);
  Libraries libraries;
  std::vector<PluginInfo> infos;
  double before = cpu_seconds(RUSAGE_SELF);
  for (const std::string& path : paths) infos.push_back(examine(path, libraries));
  const double manifests = cpu_seconds(RUSAGE_SELF) - before;
  before = cpu_seconds(RUSAGE_SELF);
  for (const PluginInfo& info : infos) load_plugin_file(info);
  const double loads = cpu_seconds(RUSAGE_SELF) - before;
  EXPECT_LT(manifests, 1);
  EXPECT_LT(loads, 1);
  RecordProperty("milliseconds", std::to_string(manifests * 1e3) + " manifests, " + std::to_string(loads * 1e3) + " loads");
}

}  // namespace
}  // namespace corral
