#include "plugins/dataset/sft/sample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "plugins/dataset/common/test_files.h"
#include "plugins/dataset/sft/report.h"
#include "plugins/dataset/sft/sample_rows.h"
#include "plugins/dataset/sft/sample_set.h"
#include "plugins/dataset/sft/test_encoder.h"

namespace {
using namespace corral::sft;
using corral::data::message_of;
using corral::data::TestFiles;

const std::string kFolder = "<|start_header_id|> <|eot_id|>";

SampleSet read(const std::string& file, size_t seq_length, const std::string& wanted = "", SampleSet::Settings settings = {}) {
  settings.seq_length = seq_length;
  const RowWriter writer(wanted, kFolder, "d");
  return SampleSet::read({file}, settings, writer, marked_encoder());
}

// The trained ids as text; special tokens as #.
std::string trained(const SampleSet& set, const SampleSet::Entry& entry) {
  std::string text;
  for (const SampleSet::Span& span : set.spans_of(entry))
    for (uint32_t i = span.begin; i < span.end; ++i) {
      const int32_t id = set.tokens[entry.token + i];
      text += id < 256 ? static_cast<char>(id) : '#';
    }
  return text;
}

TEST(Samples, TrainTheAssistantsTurnsUpToTheirEndInEveryForm) {
  const TestFiles files;
  const auto first = [&](const std::string& line, const std::string& wanted = "") {
    const SampleSet set = read(files.write("a.jsonl", line + "\n"), 500, wanted);
    return trained(set, set.entries.at(0));
  };
  EXPECT_EQ(
      first(
          R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "one"}, {"role": "user", "content": "r"}, {"role": "assistant", "content": "two"}]})"),
      "one#two#");
  EXPECT_EQ(first(R"({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]})"), "a#");
  EXPECT_EQ(first(R"({"prompt": "q", "completion": "a"})"), "a#");
  EXPECT_EQ(first(R"({"instruction": "q", "output": "a"})"), "a#");
  EXPECT_EQ(first(R"({"input": "q", "output": "a"})"), " a#");
  EXPECT_EQ(first(R"({"input": "q", "output": "a"})", "chat"), "a#");
  EXPECT_EQ(first(R"({"input_ids": [104, 105, 106], "labels": [-100, -100, 106]})"), "j");
  EXPECT_EQ(first(R"({"input_ids": [104, 105, 106]})"), "ij");
}

TEST(Samples, TrainEverythingButTheFirstTokenWhereAllIsAskedFor) {
  const TestFiles files;
  const SampleSet set = read(files.write("a.jsonl", R"({"input": "q", "output": "a"})"), 50, "", {.train_all = true});
  EXPECT_EQ(trained(set, set.entries[0]), " a#");
  EXPECT_EQ(set.entries[0].trained, set.entries[0].tokens - 1);
}

TEST(Samples, APlainSampleThatIsTooLongLosesTheEndOfTheQuestionAChatItsOwnEnd) {
  const TestFiles files;
  const SampleSet plain = read(files.write("a.jsonl", R"({"input": "0123456789", "output": "ab"})"), 7);
  ASSERT_EQ(plain.entries[0].tokens, 8u);
  EXPECT_TRUE(plain.entries[0].truncated);
  EXPECT_EQ(trained(plain, plain.entries[0]), " ab#");
  EXPECT_EQ(plain.tokens[3], '3');
  EXPECT_EQ(plain.tokens[4], ' ');
  const SampleSet answer = read(files.write("b.jsonl", R"({"input": "01", "output": "abcdefgh"})"), 4);
  EXPECT_EQ(trained(answer, answer.entries[0]), "abcd");  // no token precedes the answer, so its first token is not a target
  EXPECT_FALSE(answer.entries[0].trains_end);
  const std::string chat = R"({"prompt": "q", "completion": "abcdef"})";
  const SampleSet whole = read(files.write("c.jsonl", chat), 100);
  const SampleSet cut = read(files.write("c.jsonl", chat), whole.entries[0].places() - 3);
  EXPECT_EQ(trained(cut, cut.entries[0]), "abcd");
  EXPECT_EQ(cut.entries[0].fault, Fault::kCutBeforeEnd);
}

TEST(Samples, EveryWayOfTrainingNothingHasItsCause) {
  const TestFiles files;
  const auto fault = [&](const std::string& line, size_t seq_length = 200) {
    const SampleSet set = read(files.write("a.jsonl", line), seq_length);
    EXPECT_FALSE(set.entries.at(0).trains_answer) << line;
    return set.entries.at(0).fault;
  };
  EXPECT_EQ(fault(R"({"messages": [{"role": "user", "content": "q"}, {"role": "user", "content": "a"}]})"), Fault::kNoAnswer);
  EXPECT_EQ(fault(R"({"prompt": "q", "completion": " \n"})"), Fault::kEmptyAnswer);
  EXPECT_EQ(fault(R"({"input": "q", "output": ""})"), Fault::kEmptyAnswer);
  EXPECT_EQ(fault(R"({"prompt": "a long question", "completion": "a"})", 20), Fault::kCutBeforeAnswer);
  EXPECT_EQ(fault(R"({"input_ids": [1, 2], "labels": [-100, -100]})"), Fault::kAllMasked);
  EXPECT_EQ(fault(R"({"input_ids": [1, 2], "labels": [1, -100]})"), Fault::kAllMasked);
}

TEST(Samples, TheReportCountsThemAndNamesTheLines) {
  const TestFiles files;
  std::string lines;
  for (int i = 0; i < 8; ++i) lines += R"({"prompt": "q", "completion": ")" + std::string(i < 7 ? "" : "yes") + "\"}\n\n";
  const std::string file = files.write("a.jsonl", lines);
  corral::SampleQuery query;
  query.first = 7;
  query.count = 5;
  const corral::SampleReport r = report(read(file, 200), query);
  EXPECT_EQ(r.samples, 8u);
  EXPECT_EQ(r.untrained, 7u);
  EXPECT_EQ(r.ended, 8u);
  EXPECT_EQ(r.trained_tokens, 7u + 4u);
  ASSERT_EQ(r.findings.size(), 1u);
  EXPECT_EQ(r.findings[0].cause, "every answer is empty");
  EXPECT_EQ(r.findings[0].samples, 7u);
  EXPECT_EQ(r.findings[0].places, (std::vector<std::string>{file + ":1", file + ":3", file + ":5", file + ":7", file + ":9"}));
  ASSERT_EQ(r.views.size(), 1u);
  EXPECT_EQ(r.views[0].place, file + ":15");
  ASSERT_EQ(r.views[0].ids.size(), r.views[0].trained.size());
  EXPECT_EQ(r.views[0].trained.substr(r.views[0].trained.size() - 4), std::string(4, '\1'));
  EXPECT_EQ(r.views[0].ids.back(), kEndOfTurn);
}

TEST(SampleSet, ARowOfAnotherFormIsRefusedWithItsLine) {
  const TestFiles files;
  const std::string file = files.write("a.jsonl", "{\"input\": \"a\", \"output\": \"b\"}\n\n{\"prompt\": \"a\", \"completion\": \"b\"}\n");
  EXPECT_EQ(
      message_of([&] { read(file, 50); }),
      file + ":3: a row of the form prompt, completion, but the file's first row has input, output: keep the forms in separate files");
}

TEST(SampleSet, IsTheSameHoweverTheFileIsCutIntoBlocksAndThreads) {
  const TestFiles files;
  std::string lines;
  for (int i = 0; i < 300; ++i)
    lines += R"({"prompt": "q)" + std::to_string(i) + R"(", "completion": ")" + std::string(i % 40, 'a') + "\"}\n";
  const std::string file = files.write("a.jsonl", lines);
  const SampleSet one = read(file, 60), many = read(file, 60, "", {.threads = 4, .block_bytes = 97});
  ASSERT_EQ(one.entries.size(), 300u);
  ASSERT_EQ(many.entries.size(), 300u);
  for (size_t i = 0; i < 300; ++i) {
    EXPECT_EQ(one.entries[i].hash, many.entries[i].hash);
    EXPECT_EQ(trained(one, one.entries[i]), trained(many, many.entries[i]));
    EXPECT_EQ(one.place(one.entries[i]), many.place(many.entries[i]));
  }
}

TEST(SampleSet, RefusesFilesWithoutSamples) {
  const TestFiles files;
  const std::string empty = files.write("a.jsonl", "\n \n"), plain = files.write("a.txt", "text");
  EXPECT_EQ(message_of([&] { read(empty, 50); }), "data.paths: no sample in " + empty);
  EXPECT_EQ(message_of([&] { read(plain, 50); }), "data.paths: " + plain + ": expected a .jsonl file with a sample per line");
}

TEST(Packing, FillsRowsWithoutLosingOrSplittingASample) {
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    const uint32_t row_length = 33 + random() % 100;
    std::vector<uint32_t> lengths(1 + random() % 300);
    for (uint32_t& n : lengths) n = random() % 34;
    const Packed packed = pack(lengths, row_length);
    std::vector<int> seen(lengths.size());
    std::vector<uint32_t> used;
    for (uint64_t row = 0; row < packed.rows(); ++row) {
      used.push_back(0);
      for (uint64_t s = packed.starts[row]; s < packed.starts[row + 1]; ++s) {
        ++seen[packed.samples[s]];
        used.back() += lengths[packed.samples[s]];
        if (s > packed.starts[row]) {
          EXPECT_LT(packed.samples[s - 1], packed.samples[s]);
        }
      }
      EXPECT_LE(used.back(), row_length);
      if (row > 0) {
        EXPECT_LT(packed.samples[packed.starts[row - 1]], packed.samples[packed.starts[row]]);
      }
    }
    for (size_t i = 0; i < lengths.size(); ++i) EXPECT_EQ(seen[i], lengths[i] > 0);
    // First fit leaves at most one row less than half full.
    EXPECT_LE(std::count_if(used.begin(), used.end(), [&](uint32_t n) { return 2 * n < row_length; }), 1);
    EXPECT_EQ(pack(lengths, row_length).samples, packed.samples);
  }
}

TEST(Packing, PutsTheLongestFirst) {
  const Packed packed = pack(std::vector<uint32_t>{2, 6, 3, 5, 4}, 10);
  EXPECT_EQ(packed.samples, (std::vector<uint32_t>{0, 2, 3, 1, 4}));
  EXPECT_EQ(packed.starts, (std::vector<uint64_t>{0, 3, 5}));
}

TEST(SampleRows, SamplesOfARowSeeOnlyThemselvesAndLeaveNoTargetBetweenThem) {
  const TestFiles files;
  const SampleSet set = read(files.write("a.jsonl", R"({"input_ids": [10, 11, 12]}
{"input_ids": [20, 21], "labels": [-100, 21]}
{"input_ids": [30]}
{"input_ids": [40, 41, 42, 43], "labels": [-100, -100, -100, 43]})"),
                             8);
  const SampleRows rows(set, {0, 1, 2, 3}, 8, true);
  ASSERT_EQ(rows.rows(), 1u);
  EXPECT_EQ(rows.places(), 6u);
  std::vector<int32_t> tokens(8), targets(8), positions(8), first_key(8);
  rows.fill(0, {tokens, targets, positions, first_key});
  EXPECT_EQ(tokens, (std::vector<int32_t>{10, 11, 20, 40, 41, 42, 0, 0}));
  EXPECT_EQ(targets, (std::vector<int32_t>{11, 12, 21, -1, -1, 43, -1, -1}));
  EXPECT_EQ(positions, (std::vector<int32_t>{0, 1, 0, 0, 1, 2, 0, 0}));
  EXPECT_EQ(first_key, (std::vector<int32_t>{0, 0, 2, 3, 3, 3, 6, 7}));
  const SampleRows alone(set, {0, 1, 2, 3}, 8, false);
  ASSERT_EQ(alone.rows(), 4u);
  alone.fill(3, {tokens, targets, positions, first_key});
  EXPECT_EQ(targets, (std::vector<int32_t>{-1, -1, 43, -1, -1, -1, -1, -1}));
  EXPECT_EQ(first_key, (std::vector<int32_t>{0, 0, 0, 3, 4, 5, 6, 7}));
}
}  // namespace
