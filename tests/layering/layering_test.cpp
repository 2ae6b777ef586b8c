// The rules of the house: who may include whom, and what the kernel must not know.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
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
