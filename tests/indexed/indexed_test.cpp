// Megatron data pairs (PREFIX.idx, PREFIX.bin): `corral data build`, and runs on the pairs that it writes.
#include <chrono>
#include <random>

#include "tests/golden_runs/golden_runs.h"

namespace {
namespace fs = std::filesystem;
using corral::kGolden;
using corral::read_lines;

const std::string kModel = kGolden + "models/llama3", kTokenizer = " --tokenizer " + kModel + " ";

class Indexed : public corral::GoldenRuns {
 protected:
  // Writes `documents` random texts; returns the file.
  std::string texts(int documents) const {
    std::mt19937 random(5);
    std::ofstream file(path("text.jsonl"));
    for (int i = 0; i < documents; ++i) {
      file << "{\"text\": \"";
      for (unsigned words = 1 + random() % 30; words > 0; --words) file << (random() % 7 ? "the " : "cat ") << random() % 100 << ' ';
      file << "\"}\n";
    }
    return path("text.jsonl");
  }

  int build(const std::string& out, const std::string& rest = "") const {
    return corral("data build --data " + path("text.jsonl") + kTokenizer + "--out " + path(out) + rest);
  }

  // The metrics of six steps, without those that measure time.
  std::vector<std::string> losses(const std::string& run, const std::string& data) const {
    EXPECT_EQ(corral("pretrain --pretrained-checkpoint " + kModel + " --precision fp32 --dir " + path(run) + data +
                     " --seq-length 31 --train-iters 6 --global-batch-size 3 --lr 0.003 --set train.log_interval=1 train.eval_interval=3"
                     " train.eval_iters=2 optimizer.lr_warmup_iters=2"),
              0)
        << text("err");
    std::vector<std::string> all;
    for (corral::json row : read_lines(path(run) + "/metrics.jsonl")) {
      for (const char* measured : {"seconds", "tokens_per_second"}) row.erase(measured);
      all.push_back(row.dump());
    }
    EXPECT_GE(all.size(), 6u);
    return all;
  }
};

TEST_F(Indexed, APairTrainsAsTheTextThatItWasMadeOf) {
  texts(60);
  ASSERT_EQ(build("pair"), 0) << text("err");
  EXPECT_NE(text("err").find("60 documents"), std::string::npos) << text("err");
  for (const std::string order : {" data.shuffle=false", " data.shuffle=true"}) {
    const std::string rest = " --set data.split=1" + order;
    const auto of_text = losses("text" + order.substr(14), kTokenizer + "--data " + path("text.jsonl") + rest);
    EXPECT_EQ(losses("pair" + order.substr(14), kTokenizer + "--dataset indexed --data " + path("pair") + rest), of_text) << order;
  }
}

TEST_F(Indexed, EachSplitMayHaveItsOwnPairs) {
  texts(60);
  ASSERT_EQ(build("pair"), 0) << text("err");
  const std::string pair = path("pair");
  const auto rows = losses(
      "run", kTokenizer + "--dataset indexed --set data.valid_paths=" + pair + " 'data.train_paths=0.5 " + pair + " 0.5 " + pair + "'");
  EXPECT_NE(rows.back().find("eval_loss"), std::string::npos) << rows.back();
}

TEST_F(Indexed, EvaluatesToTheSameLossAsTheText) {
  texts(20);
  ASSERT_EQ(build("pair"), 0) << text("err");
  const std::string eval = "eval --checkpoint " + kModel + " --precision fp32 --json --seq-length 40 ";
  ASSERT_EQ(corral(eval + "--data " + path("text.jsonl")), 0) << text("err");
  const auto of_text = corral::json::parse(text("out"));
  ASSERT_EQ(corral(eval + "--dataset indexed --data " + path("pair")), 0) << text("err");
  const auto of_pair = corral::json::parse(text("out"));
  EXPECT_EQ(of_pair["loss"], of_text["loss"]);
  EXPECT_EQ(of_pair["unigram_loss"], of_text["unigram_loss"]);
}

TEST_F(Indexed, SaysWhatIsWrongWithAPairAndHowToReadOne) {
  texts(20);
  ASSERT_EQ(build("pair"), 0) << text("err");
  const std::string pair = path("pair"), eval = "eval --checkpoint " + kModel + " --precision fp32 --seq-length 40 ";
  EXPECT_EQ(corral(eval + "--data " + pair), 2);
  EXPECT_NE(text("err").find("read it with --dataset indexed"), std::string::npos) << text("err");
  EXPECT_EQ(build("pair"), 2);
  EXPECT_NE(text("err").find(pair + ".idx exists already"), std::string::npos) << text("err");
  fs::resize_file(pair + ".bin", fs::file_size(pair + ".bin") - 2);
  EXPECT_EQ(corral(eval + "--dataset indexed --data " + pair), 2);
  EXPECT_NE(text("err").find("is beyond the end of " + pair + ".bin"), std::string::npos) << text("err");
  // Ids beyond the vocabulary are found when their row is read.
  std::ofstream(path("ids.jsonl")) << "{\"input_ids\": [1, 2, 5000, 3]}\n";
  ASSERT_EQ(corral("data build --data " + path("ids.jsonl") + " --out " + path("ids")), 0) << text("err");
  EXPECT_EQ(corral(eval + "--dataset indexed --data " + path("ids")), 2);
  EXPECT_NE(text("err").find("token 2 of sequence 0 is 5000, but the vocabulary has 320 ids"), std::string::npos) << text("err");
}

TEST_F(Indexed, ABuildKilledAtAnyInstantLeavesNoPairThatLooksWhole) {
  texts(8000);
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(build("whole"), 0) << text("err");
  const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
  const std::string index = text("whole.idx"), tokens = text("whole.bin"), program = CORRAL_BINARY_DIR "/bin/corral";
  const std::string words = "data build --data " + path("text.jsonl") + kTokenizer + "--threads 2 --out " + path("parts");
  std::mt19937 random(2);
  int left = 0, finished = 0;
  constexpr int kKills = 25;
  for (int kill = 0; kill < kKills; ++kill) {
    const double seconds = 1e-6 * static_cast<double>(random() % static_cast<unsigned>(whole.count()));
    std::system(("timeout -s KILL " + std::to_string(seconds) + " " + program + " " + words + " >/dev/null 2>&1").c_str());
    left += fs::exists(path("parts.bin.partial"));
    if (!fs::exists(path("parts.idx"))) continue;
    ++finished;
    EXPECT_EQ(text("parts.idx"), index);
    EXPECT_EQ(text("parts.bin"), tokens);
    for (const char* ending : {".idx", ".bin"}) fs::remove(path("parts") + ending);
  }
  EXPECT_GT(left, kKills / 5);
  EXPECT_LT(finished, kKills);
  ASSERT_EQ(corral(words), 0) << text("err");
  EXPECT_EQ(text("parts.idx"), index);
  EXPECT_EQ(text("parts.bin"), tokens);
  EXPECT_FALSE(fs::exists(path("parts.bin.partial")));
}

TEST_F(Indexed, AFullDiskIsReportedAndNothingIsLeftOnIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount a small disk";
  texts(8000);
  fs::create_directory(path("disk"));
  std::ofstream(path("script")) << "mount -t tmpfs -o size=64k corral " << path("disk") << " || exit 77\n"
                                << CORRAL_BINARY_DIR "/bin/corral data build --data " << path("text.jsonl") << kTokenizer << "--out "
                                << path("disk/pair") << " 2>" << path("err") << "; code=$?; ls -A " << path("disk") << " >" << path("left")
                                << "; exit $code\n";
  const int status = std::system(("unshare -m sh " + path("script") + " 2>/dev/null").c_str());
  if (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127) GTEST_SKIP() << "cannot mount a small disk here";
  EXPECT_EQ(WEXITSTATUS(status), 3) << text("err");
  EXPECT_NE(text("err").find("cannot write " + path("disk/pair") + ".bin.partial: No space left on device"), std::string::npos)
      << text("err");
  EXPECT_EQ(text("left"), "");
}
}  // namespace
