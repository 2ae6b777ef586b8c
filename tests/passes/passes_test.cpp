// Runs the cases in the text files of this folder. A case is `test A sentence`, a graph, `pass NAME WORDS`, and the result: a graph,
// `same`, or `fails MESSAGE`. Graphs are in the form of kernel/graph/read.h.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include "corral/error.h"
#include "kernel/graph/print.h"
#include "kernel/graph/read.h"
#include "kernel/graph/verify.h"
#include "kernel/partition/partition.h"
#include "kernel/passes/accumulation.h"
#include "kernel/passes/autodiff.h"
#include "kernel/passes/eliminate.h"
#include "kernel/passes/expand.h"
#include "kernel/passes/generation.h"
#include "kernel/passes/recompute.h"

namespace corral {
namespace {

using Words = std::vector<std::string>;

const std::map<std::string, Graph (*)(Graph, const Words&)> kPasses{
    {"autodiff", [](Graph g, const Words&) { return passes::autodiff(std::move(g)); }},
    {"eliminate", [](Graph g, const Words& w) { return passes::eliminate(std::move(g), !w.empty() && w[0] == "unused"); }},
    {"expand", [](Graph g, const Words&) { return passes::expand(std::move(g), [](const Graph&, const Node&) { return true; }); }},
    {"generation", [](Graph g, const Words& w) { return passes::generation(std::move(g), std::stoll(w.at(0))); }},
    {"logits_of_all", [](Graph g, const Words&) { return passes::logits_of_all(std::move(g)); }},
    {"partition", [](Graph g, const Words&) { return partition::partition(std::move(g)).graph; }},
    {"recompute", [](Graph g, const Words& w) { return passes::recompute(std::move(g), w.at(0), w.size() > 1 ? std::stoll(w[1]) : 0); }},
    {"without_dropout", [](Graph g, const Words&) { return passes::without_dropout(std::move(g)); }},
    {"write_gradients", [](Graph g, const Words&) { return passes::write_gradients(std::move(g)); }},
};

struct Case {
  std::string name, before, pass, after;
};

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

// The name of a test: `test Keeps what is read` in eliminate.txt is EliminateKeepsWhatIsRead.
std::string name_of(const std::string& file, const std::string& sentence) {
  std::string name;
  bool begins = true;
  for (const char c : file + " " + sentence) {
    if (std::isalnum(static_cast<unsigned char>(c))) name += begins ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    begins = !std::isalnum(static_cast<unsigned char>(c));
  }
  return name;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto& entry : std::filesystem::directory_iterator(CORRAL_SOURCE_DIR "/tests/passes")) {
    if (entry.path().extension() != ".txt" || entry.path().stem() == "CMakeLists") continue;
    std::ifstream file(entry.path());
    std::string* to = nullptr;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("test ")) {
        all.push_back({name_of(entry.path().stem(), line.substr(5)), "", "", ""});
        to = &all.back().before;
      } else if (line.starts_with("pass ")) {
        all.back().pass = line.substr(5);
        to = &all.back().after;
      } else if (to) {
        *to += line + "\n";
      }
    }
  }
  for (Case& c : all) c.after.erase(c.after.find_last_not_of('\n') + 1);
  return all;
}

class PassFile : public testing::TestWithParam<Case> {};

TEST_P(PassFile, GivesTheGraph) {
  const Case& c = GetParam();
  std::istringstream line(c.pass);
  std::string name;
  line >> name;
  const Words words{std::istream_iterator<std::string>(line), {}};
  ASSERT_TRUE(kPasses.contains(name)) << name;
  const Graph before = graph::read(c.before);
  graph::verify(before);
  constexpr std::string_view kFails = "fails ";
  try {
    const Graph after = kPasses.at(name)(before, words);
    graph::verify(after);
    EXPECT_EQ(graph::text_of(after), graph::text_of(c.after == "same" ? before : graph::read(c.after)));
  } catch (const Error& e) {
    ASSERT_TRUE(c.after.starts_with(kFails)) << e.what();
    EXPECT_NE(std::string(e.what()).find(c.after.substr(kFails.size())), std::string::npos) << e.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Passes, PassFile, testing::ValuesIn(cases()), [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace corral
