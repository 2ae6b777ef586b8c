// The words of comments: a sentence names its noun first, and "is no" is written "is not a" or "has no".
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {
namespace fs = std::filesystem;

const std::vector<std::vector<std::string>> kHeadless{{"what"}, {"whose"}, {"those", "that"}, {"that", "of"}};

struct Word {
  std::string text;
  size_t line;
};
using Words = std::vector<Word>;

std::string plain(std::string word) {
  std::erase_if(word, [](unsigned char c) { return std::ispunct(c) && c != '\''; });
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return word;
}

// Collects comments as blocks: lines that follow each other directly are one text, as a sentence may span lines.
class Comments {
 public:
  void add(const std::string& text, size_t line, bool continues) {
    std::istringstream words(text.substr(std::min(text.find_first_not_of("/*!<#"), text.size())));
    if (!continues || line > last_ + 1 || blocks.empty()) blocks.emplace_back();
    for (std::string word; words >> word;) blocks.back().push_back({word, line});
    last_ = text.find_first_not_of("/*!<# \t") == text.npos ? 0 : line;
  }
  std::vector<Words> blocks;

 private:
  size_t last_ = 0;
};

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

bool blank_before(const std::string& text, size_t at) {
  const size_t begin = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
  return text.find_first_not_of(" \t", begin) == at;
}

// Comments of C and its relatives: // and /* */, none inside strings.
std::vector<Words> slash_comments(const std::string& text) {
  Comments comments;
  size_t line = 1;
  const auto count_lines = [&](size_t from, size_t to) {
    line += static_cast<size_t>(std::count(text.begin() + from, text.begin() + to, '\n'));
  };
  for (size_t at = 0; at < text.size(); ++at) {
    const std::string_view rest = std::string_view(text).substr(at);
    size_t end = at;
    if (rest.starts_with("//")) {
      end = std::min(text.find('\n', at), text.size());
      comments.add(text.substr(at, end - at), line, blank_before(text, at));
      --end;
    } else if (rest.starts_with("/*")) {
      end = std::min(text.find("*/", at + 2), text.size() - 2) + 1;
      std::istringstream lines(text.substr(at + 2, end - at - 3));
      size_t number = line;
      for (std::string each; std::getline(lines, each); ++number) {
        const size_t begin = each.find_first_not_of(" \t*");
        comments.add(begin == each.npos ? "" : each.substr(begin), number, number > line);
      }
    } else if (rest.starts_with("R\"") && (at == 0 || !is_word(text[at - 1]))) {
      const std::string close = ")" + text.substr(at + 2, text.find('(', at) - at - 2) + "\"";
      end = std::min(text.find(close, at), text.size() - close.size()) + close.size() - 1;
    } else if (text[at] == '"' || (text[at] == '\'' && (at == 0 || !is_word(text[at - 1])))) {
      for (end = at + 1; end < text.size() && text[end] != text[at] && text[end] != '\n'; ++end)
        if (text[end] == '\\') ++end;
      end = std::min(end, text.size() - 1);
    }
    count_lines(at, end + 1);
    at = end;
  }
  return comments.blocks;
}

// Comments of shells, CMake, Python and text messages: # at a word's begin outside quotes, and a text in three quotes that begins a line.
std::vector<Words> hash_comments(const std::string& text) {
  Comments comments;
  std::istringstream lines(text);
  size_t number = 0;
  bool inside = false, first = false;
  for (std::string line; std::getline(lines, line);) {
    const size_t begin = std::min(line.find_first_not_of(" \t"), line.size());
    if (++number == 1 && line.starts_with("#!")) continue;
    if (!inside && line.compare(begin, 3, "\"\"\"") == 0) {
      inside = first = true;
      line.erase(0, begin + 3);
    }
    if (inside) {
      const size_t end = line.find("\"\"\"");
      comments.add(line.substr(0, end), number, !first);
      first = false;
      inside = end == line.npos;
      continue;
    }
    char quote = 0;
    for (size_t at = begin; at < line.size(); ++at) {
      if (line[at] == '\\') {
        ++at;
      } else if (quote) {
        if (line[at] == quote) quote = 0;
      } else if (line[at] == '"' || line[at] == '\'') {
        quote = line[at];
      } else if (line[at] == '#' && (at == begin || std::isspace(static_cast<unsigned char>(line[at - 1])))) {
        comments.add(line.substr(at), number, at == begin);
        break;
      }
    }
  }
  return comments.blocks;
}

bool ends_sentence(const std::string& word) {
  const size_t last = word.find_last_not_of("\"'`)");
  return last != word.npos && std::string(".?!").find(word[last]) != std::string::npos;
}

bool is_headless(const Words& sentence) {
  return std::any_of(kHeadless.begin(), kHeadless.end(), [&](const std::vector<std::string>& head) {
    return head.size() <= sentence.size() && std::equal(head.begin(), head.end(), sentence.begin(),
                                                        [](const std::string& word, const Word& said) { return word == plain(said.text); });
  });
}

// "is no": not "is no longer", nor "there is no".
bool has_is_no(const Words& sentence) {
  for (size_t i = 1; i < sentence.size(); ++i) {
    const std::string verb = plain(sentence[i - 1].text), next = i + 1 < sentence.size() ? plain(sentence[i + 1].text) : "";
    const bool there = i > 1 && plain(sentence[i - 2].text) == "there";
    if (sentence[i].text == "no" && (verb == "is" || verb == "are") && next != "longer" && !there) return true;
  }
  return false;
}

// Each sentence that breaks a rule, as `file:line: sentence`.
std::vector<std::string> findings(const std::string& file, const std::string& text, bool hash) {
  std::vector<std::string> found;
  for (const Words& block : hash ? hash_comments(text) : slash_comments(text))
    for (auto begin = block.begin(), end = begin; begin != block.end(); begin = end) {
      end = std::find_if(begin, block.end(), [](const Word& word) { return ends_sentence(word.text); });
      if (end != block.end()) ++end;
      const Words sentence(begin, end);
      if (!is_headless(sentence) && !has_is_no(sentence)) continue;
      found.push_back(file + ":" + std::to_string(begin->line) + ":");
      for (const Word& word : sentence) found.back() += " " + word.text;
    }
  return found;
}

TEST(Words, EverySentenceOfACommentNamesItsNounFirst) {
  const fs::path top = CORRAL_SOURCE_DIR;
  size_t read = 0;
  const auto look_at = [&](const fs::path& path) {
    const std::string file = path.lexically_relative(top).string(), name = path.filename().string(), extension = path.extension().string();
    const bool slash = std::set<std::string>{".h", ".cpp", ".c", ".cu", ".proto"}.contains(extension);
    const bool hash = std::set<std::string>{".cmake", ".in", ".py", ".sh", ".textproto"}.contains(extension) || name == "CMakeLists.txt";
    if (!slash && !hash && !extension.empty()) return;
    std::ifstream in(path, std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(in), {});
    if (!slash && !hash && !text.starts_with("#!")) return;
    ++read;
    for (const std::string& finding : findings(file, text, !slash)) ADD_FAILURE() << finding;
  };
  for (const char* folder : {"kernel", "plugins", "bin", "sdk", "tests", "recipes", "packaging", ".ci"})
    for (auto entry = fs::recursive_directory_iterator(top / folder); entry != fs::recursive_directory_iterator(); ++entry)
      if (entry->is_directory() && (entry->path() == top / "tests/golden" || entry->path() == top / "tests/fuzz/corpus"))
        entry.disable_recursion_pending();
      else if (entry->is_regular_file())
        look_at(entry->path());
  look_at(top / "CMakeLists.txt");
  EXPECT_GT(read, 500u);
}

TEST(Words, AHeadlessSentenceIsFoundInEveryKindOfComment) {
  using Found = std::vector<std::string>;
  EXPECT_EQ(findings("x.h", "int a;  // what is left of it\n", false), Found{"x.h:1: what is left of it"});
  EXPECT_EQ(findings("x.h", "// A run.\n// Its file. Those\n// that end.\nint a;\n", false), Found{"x.h:2: Those that end."});
  EXPECT_EQ(findings("x.h", "/* A run.\n *\n * That of another. */\n", false), Found{"x.h:3: That of another."});
  EXPECT_EQ(findings("x.h", "/** Whose (it is). */ // a value that is no number", false),
            (Found{"x.h:1: Whose (it is).", "x.h:1: a value that is no number"}));
  EXPECT_EQ(findings("x.py", "\"\"\"A run.\n\nWhat it makes.\n\"\"\"\nx = 1  # these are no rows\n", true),
            (Found{"x.py:3: What it makes.", "x.py:5: these are no rows"}));
  EXPECT_EQ(findings("run", "#!/bin/sh\n# run: what\n# Whose\n", true).size(), 0u);
  EXPECT_EQ(findings("run", "#!/bin/sh\n# run.\n# Whose\n", true), Found{"run:3: Whose"});
}

TEST(Words, AWholeSentenceAndATextOutsideCommentsAreLeftAlone) {
  EXPECT_EQ(findings("x.h",
                     "// Says what a run wrote. There is no other; it is no longer open, and is not a file.\n"
                     "const char* a = \"// What?\"; const char* b = R\"x(/* What */ )\" // What)x\"; char c = '\"'; int d = 1'000;\n",
                     false),
            std::vector<std::string>{});
  EXPECT_EQ(findings("x.cmake", "set(a \" # What\") # says what\nset(b ${a#What} \\# '# What')\n", true), std::vector<std::string>{});
}

}  // namespace
