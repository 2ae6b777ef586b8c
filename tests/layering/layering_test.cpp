// The rules of the house: who may include whom, and what the kernel must not know.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace {
namespace fs = std::filesystem;

struct Line {
  std::string file;  // from the top of the tree
  size_t number;
  std::string text;
};

std::ostream& operator<<(std::ostream& out, const Line& line) { return out << line.file << ":" << line.number << ": " << line.text; }

std::vector<Line> lines_of(const std::string& folder) {
  const fs::path top = CORRAL_SOURCE_DIR;
  std::vector<Line> lines;
  for (const auto& entry : fs::recursive_directory_iterator(top / folder)) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".h" && extension != ".cpp" && extension != ".c" && extension != ".cu") continue;
    std::ifstream file(entry.path());
    size_t number = 0;
    for (std::string text; std::getline(file, text);) lines.push_back({fs::relative(entry.path(), top).string(), ++number, text});
  }
  return lines;
}

// The file that an #include "..." names, or "".
std::string included(const std::string& text) {
  const size_t word = text.find("include"), begin = text.find('"');
  if (word == std::string::npos || begin == std::string::npos || text.find_first_not_of(" \t#") != word || text.find('#') > word) return "";
  return text.substr(begin + 1, text.find('"', begin + 1) - begin - 1);
}

// True if a plugin in `folder`, which is plugins/KIND/NAME, may include `name`.
bool plugin_may_include(const std::string& name, const std::string& kind, const std::string& folder) {
  const bool from_top = name.find('/') != std::string::npos;
  return name.starts_with("corral/") || name.starts_with(folder + "/") || name.starts_with("plugins/" + kind + "/common/") ||
         (!from_top && (name.ends_with(".wire.h") || fs::exists(fs::path(CORRAL_SOURCE_DIR) / folder / name)));
}

// The first name of a model, a method, a format or a device in `text`, or "". Digits and underscores may follow it: llama32, lora_test.
std::string foreign_word(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const std::string word : {"llama", "lora", "dora", "safetensors", "huggingface", "hugging face", "megatron", "tensorboard", "wandb",
                                 "cuda", "nccl", "onednn", "dnnl", "cublas"})
    for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
      const bool begins = at == 0 || !std::isalpha(static_cast<unsigned char>(text[at - 1]));
      const size_t end = at + word.size();
      const bool ends = word.size() > 4 || end == text.size() || !std::isalpha(static_cast<unsigned char>(text[end]));
      if (begins && ends) return word;
    }
  return "";
}

TEST(Layering, APluginIncludesTheSdkItsOwnFolderAndItsKindsHelpersOnly) {
  size_t seen = 0;
  for (const Line& line : lines_of("plugins")) {
    const std::string name = included(line.text);
    if (name.empty()) continue;
    ++seen;
    const fs::path folder = fs::path(line.file).parent_path();
    const std::string kind = (++fs::path(line.file).begin())->string();
    const std::string own = (fs::path("plugins") / kind / *std::next(folder.begin(), 2)).string();
    EXPECT_TRUE(plugin_may_include(name, kind, own)) << line;
  }
  EXPECT_GT(seen, 50u);
}

TEST(Layering, TheKernelIncludesItselfAndTheSdkOnly) {
  for (const Line& line : lines_of("kernel"))
    for (const char* other : {"plugins/", "bin/", "tests/"}) EXPECT_FALSE(included(line.text).starts_with(other)) << line;
}

TEST(Layering, TheSdkIncludesNothingOfTheHost) {
  for (const Line& line : lines_of("sdk"))
    for (const char* other : {"kernel/", "plugins/", "bin/", "tests/"}) EXPECT_FALSE(included(line.text).starts_with(other)) << line;
}

// Which rooms, the folders below `top`, include which.
using Arrows = std::map<std::string, std::set<std::string>>;
Arrows arrows_among(const std::vector<Line>& lines, const std::string& top) {
  const auto room_of = [&](const std::string& path) {
    return path.starts_with(top + "/") ? std::next(fs::path(path).begin())->string() : std::string();
  };
  Arrows arrows;
  for (const Line& line : lines)
    if (const std::string from = room_of(line.file), to = room_of(included(line.text)); !to.empty() && from != to) arrows[from].insert(to);
  return arrows;
}

// "step -> loop -> step" where rooms include each other in a circle, or "".
std::string circle_in(const Arrows& arrows) {
  std::set<std::string> done;
  std::vector<std::string> way;
  const auto search = [&](const auto& self, const std::string& room) -> std::string {
    if (const auto at = std::find(way.begin(), way.end(), room); at != way.end()) {
      std::string circle;
      for (auto step = at; step != way.end(); ++step) circle += *step + " -> ";
      return circle + room;
    }
    if (!done.insert(room).second) return "";
    way.push_back(room);
    if (const auto below = arrows.find(room); below != arrows.end())
      for (const std::string& next : below->second)
        if (std::string circle = self(self, next); !circle.empty()) return circle;
    way.pop_back();
    return "";
  };
  for (const auto& [room, below] : arrows)
    if (std::string circle = search(search, room); !circle.empty()) return circle;
  return "";
}

// The rooms of the program, each with those that it may include. A job knows no command line.
const Arrows kRoomsOfTheProgram{{"main.cpp", {"terminal"}},
                                {"commands", {"terminal", "convert", "job", "hub", "validate"}},
                                {"terminal", {"convert", "job", "hub"}},
                                {"convert", {"job"}},
                                {"job", {"hub"}},
                                {"hub", {}},
                                {"validate", {}}};

// "job -> terminal" for each arrow that is not among the allowed ones.
std::vector<std::string> forbidden(const Arrows& arrows, const Arrows& allowed) {
  std::vector<std::string> all;
  for (const auto& [room, below] : arrows)
    for (const std::string& to : below)
      if (const auto at = allowed.find(room); at == allowed.end() || !at->second.contains(to)) all.push_back(room + " -> " + to);
  return all;
}

TEST(Layering, RoomsOfTheProgramIncludeOnlyThoseBelowThem) {
  const Arrows arrows = arrows_among(lines_of("bin"), "bin");
  EXPECT_EQ(forbidden(arrows, kRoomsOfTheProgram), std::vector<std::string>());
  EXPECT_EQ(circle_in(kRoomsOfTheProgram), "");
  EXPECT_TRUE(arrows.at("convert").contains("job")) << "the drawing sees no includes";
}

TEST(Layering, RoomsOfTheKernelIncludeEachOtherInNoCircle) {
  const Arrows arrows = arrows_among(lines_of("kernel"), "kernel");
  EXPECT_EQ(circle_in(arrows), "");
  EXPECT_TRUE(arrows.at("train").contains("runtime")) << "the drawing sees no includes";
}

TEST(Layering, SeesAnArrowBackUp) {
  std::vector<Line> lines = lines_of("bin");
  lines.push_back({"bin/job/planted.cpp", 1, "#include \"bin/terminal/command.h\""});
  EXPECT_EQ(forbidden(arrows_among(lines, "bin"), kRoomsOfTheProgram), std::vector<std::string>{"job -> terminal"});
  EXPECT_NE(circle_in(arrows_among(lines, "bin")), "");
  lines = lines_of("kernel");
  lines.push_back({"kernel/graph/planted.h", 1, "  #include \"kernel/train/step.h\""});
  EXPECT_NE(circle_in(arrows_among(lines, "kernel")), "");
}

// One place decides who speaks; results, on standard output, are a command's.
std::string spoken(const Line& line) {
  const std::string code = line.text.substr(0, line.text.find("//"));
  const auto has = [&](const std::string& word) {
    const size_t at = code.find(word);
    return at != std::string::npos && (at == 0 || !std::isalnum(static_cast<unsigned char>(code[at - 1])));
  };
  for (const char* word : {"stderr", "std::cerr", "STDERR_FILENO"})
    if (has(word)) return word;
  const bool library = line.file.starts_with("kernel/") || line.file.starts_with("bin/job/") || line.file.starts_with("bin/convert/") ||
                       line.file.starts_with("bin/hub/");
  for (const char* word : {"std::printf", "std::puts", "std::cout", "stdout"})
    if (library && has(word)) return word;
  return "";
}

TEST(Layering, OnlyTheVoiceWritesForTheUser) {
  // A signal's last line, and the error output of a check in a process of its own.
  const std::set<std::string> own{"bin/terminal/voice.cpp", "kernel/plugin/host.cpp", "bin/validate/runner.cpp"};
  size_t seen = 0;
  for (const char* folder : {"kernel", "bin"})
    for (const Line& line : lines_of(folder)) {
      if (own.contains(line.file))
        seen += !spoken(line).empty();
      else
        EXPECT_EQ(spoken(line), "") << line;
    }
  EXPECT_GE(seen, 3u);
  EXPECT_EQ(spoken({"bin/job/x.cpp", 1, "  std::fprintf(stderr, \"x\");  // why"}), "stderr");
  EXPECT_EQ(spoken({"bin/job/x.cpp", 1, "  std::printf(\"x\");"}), "std::printf");
}

std::map<std::string, size_t> lengths_of(const std::string& folder) {
  std::map<std::string, size_t> lengths;
  for (const Line& line : lines_of(folder)) lengths[line.file] = line.number;
  return lengths;
}

TEST(Layering, AFileIsReadInOneSitting) {
  size_t operations = 0;
  for (const char* folder : {"kernel", "bin"})
    for (const auto& [file, length] : lengths_of(folder)) {
      const bool operation = file.starts_with("kernel/graph/ops/");
      operations += operation;
      EXPECT_LE(length, operation ? 120u : 400u) << file;
    }
  EXPECT_GT(operations, 30u);
}

TEST(Layering, TheKernelNamesNoModelMethodFormatOrDevice) {
  const std::vector<Line> lines = lines_of("kernel");
  EXPECT_GT(lines.size(), 5000u);
  for (const Line& line : lines) EXPECT_EQ(foreign_word(line.text), "") << line;
}

TEST(Layering, SeesAForbiddenIncludeAndAForeignWord) {
  EXPECT_FALSE(plugin_may_include("kernel/graph/op.h", "model", "plugins/model/llama3"));
  EXPECT_FALSE(plugin_may_include("plugins/model/llama31/llama31.h", "model", "plugins/model/llama3"));
  EXPECT_FALSE(plugin_may_include("plugins/dataset/common/rows.h", "model", "plugins/model/llama3"));
  EXPECT_TRUE(plugin_may_include("plugins/model/common/config_json.h", "model", "plugins/model/llama3"));
  EXPECT_EQ(included("  #  include \"plugins/x.h\"  // why"), "plugins/x.h");
  EXPECT_EQ(foreign_word("// as LoRA does"), "lora");
  EXPECT_EQ(foreign_word("make_llama32()"), "llama");
  EXPECT_EQ(foreign_word("exploration of explored floral"), "");
}

// A flag that no code asks for has no effect, though its command takes it.
TEST(Layering, EveryFlagOfACommandIsAskedForByItsName) {
  const std::vector<Line> lines = lines_of("bin");
  size_t flags = 0;
  for (const Line& line : lines) {
    const size_t kind = line.text.find("\", Flag::k");
    // The program loops over all names of these two tables.
    if (kind == std::string::npos || line.file == "bin/terminal/sampling.h" || line.file == "bin/terminal/shared_flags.cpp") continue;
    const size_t begin = line.text.rfind('"', kind - 1);
    const std::string name = line.text.substr(begin, kind - begin + 1);
    const bool asked = std::any_of(lines.begin(), lines.end(), [&](const Line& other) {
      return (other.file == line.file || !other.file.starts_with("bin/commands/")) && other.text.find(name) != std::string::npos &&
             other.text.find(name + ", Flag::k") == std::string::npos;
    });
    EXPECT_TRUE(asked) << line;
    ++flags;
  }
  EXPECT_GT(flags, 60u);
}

}  // namespace
