// Models in Megatron folders: import, export, generation, evaluation, training.
#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <random>
#include <thread>
#include <vector>

#include "tests/program/model_folder.h"
#include "tests/program/run_program.h"

namespace {
namespace fs = std::filesystem;

class Megatron : public ProgramTest {
 protected:
  // Each golden model is stored twice with the same weights: `mcore` by Megatron Core, and its twin in Hugging Face's format.
  static std::string mcore(const std::string& name) { return CORRAL_SOURCE_DIR "/tests/golden/megatron/" + name + "/mcore"; }
  static std::string twin(const std::string& name) { return CORRAL_SOURCE_DIR "/tests/golden/megatron/" + name + "/hf"; }

  // Content of every file whose path does not contain `without`. The certificate is left out, as it contains times.
  static std::map<std::string, std::string> files(const fs::path& folder, const std::string& without = "") {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(folder))
      if (entry.is_regular_file() && entry.path().filename() != "conversion.json" &&
          (without.empty() || entry.path().string().find(without) == std::string::npos))
        all[fs::relative(entry.path(), folder).string()] = text_of(entry.path());
    return all;
  }
  // Starts the program as a child that the test can kill.
  pid_t start(const std::vector<std::string>& words) const {
    const std::string err = *this / "child";
    const pid_t child = ::fork();
    if (child != 0) return child;
    (void)!std::freopen(err.c_str(), "w", stderr);
    std::vector<char*> arguments{const_cast<char*>("corral")};
    for (const std::string& w : words) arguments.push_back(const_cast<char*>(w.c_str()));
    arguments.push_back(nullptr);
    ::execv(CORRAL_BINARY_DIR "/bin/corral", arguments.data());
    ::_exit(127);
  }
  static int wait(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::vector<float> logits(const std::string& file) const {
    fs::create_directory(*this / "one");
    fs::rename(*this / file, *this / "one/" + file);
    const std::string raw = raw_tensors(*this / "one").at("logits");
    fs::remove_all(*this / "one");
    const std::string bytes = raw.substr(raw.find(']') + 1);
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
    return values;
  }
};

TEST_F(Megatron, ImportThenExportGivesBackEveryTensorAndEveryFileByteForByte) {
  for (const std::string model : {"llama3", "llama31", "llama32"}) {
    // The folder is given by a relative name.
    const Shown in = corral("import --hf-model " + golden(model) + " --megatron-path mg_" + model, "cd " + (*this / "") + " && ");
    ASSERT_EQ(in.code, 0) << in.err;
    const std::string folder = *this / ("mg_" + model);
    EXPECT_EQ(text_of(folder + "/latest_checkpointed_iteration.txt"), "0\n");
    EXPECT_EQ(text_of(folder + "/latest_train_state.pt"), text_of(folder + "/iter_0000000/train_state.pt"));
    EXPECT_FALSE(fs::exists(folder + "/iter_0000000/latest_train_state.pt"));
    for (const char* name :
         {".metadata", "metadata.json", "common.pt", "train_state.pt", "run_config.yaml", "__0_0.distcp", "hf/config.json"})
      EXPECT_TRUE(fs::exists(folder + "/iter_0000000/" + name)) << name;
    const Shown out = corral("export --megatron-path " + folder + " --hf-path " + (*this / model));
    ASSERT_EQ(out.code, 0) << out.err;
    EXPECT_NE(out.err.find("model: " + model + " ("), std::string::npos) << out.err;
    EXPECT_EQ(raw_tensors(*this / model), raw_tensors(golden(model)));
    EXPECT_EQ(files(*this / model, ".safetensors"), files(golden(model), ".safetensors"));
  }
}

// Random shapes: any number of heads per group, any head_dim, odd sizes of vocabulary and MLP, tied or not, scaled RoPE or not.
TEST_F(Megatron, RandomModelsComeBackByteForByte) {
  std::mt19937 random(11);
  const auto pick = [&](int low, int high) { return low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1)); };
  for (int round = 0; round < 6; ++round) {
    const int groups = pick(1, 3), heads = groups * pick(1, 4);
    const std::string model = round % 3 == 0 ? "llama3" : round % 3 == 1 ? "llama31" : "llama32";
    const std::string name = "r" + std::to_string(round),
                      words =
                          "init --model " + model + " --seed " + std::to_string(round) + " --precision " + (round % 2 ? "bf16" : "fp32") +
                          " --hf-path " + (*this / name) + " --set model.num_hidden_layers=" + std::to_string(pick(1, 4)) +
                          " model.hidden_size=" + std::to_string(8 * pick(1, 9)) +
                          " model.intermediate_size=" + std::to_string(pick(3, 150)) +
                          " model.num_attention_heads=" + std::to_string(heads) + " model.num_key_value_heads=" + std::to_string(groups) +
                          " model.head_dim=" + std::to_string(2 * pick(1, 20)) + " model.vocab_size=" + std::to_string(pick(5, 300)) +
                          " model.tie_word_embeddings=" + (pick(0, 1) ? "true" : "false");
    const Shown made = corral(words);
    ASSERT_EQ(made.code, 0) << words << "\n" << made.err;
    ASSERT_EQ(corral("import --hf-model " + (*this / name) + " --megatron-path " + (*this / name + "m")).code, 0) << words;
    const Shown out = corral("export --megatron-path " + (*this / name + "m/iter_0000000") + " --hf-path " + (*this / name + "b"));
    ASSERT_EQ(out.code, 0) << words << "\n" << out.err;
    EXPECT_EQ(files(*this / name + "b"), files(*this / name)) << words;
    EXPECT_FALSE(files(*this / name, ".json").empty());
  }
}

TEST_F(Megatron, FoldersOfMegatronCoreAreExportedAsTheirTwins) {
  for (const std::string name : {"tied", "tensor_parallel", "per_layer", "singleton", "optimizer", "buckets"}) {
    const Shown out = corral("export --megatron-path " + mcore(name) + " --hf-model " + twin(name) + " --hf-path " + (*this / name));
    ASSERT_EQ(out.code, 0) << out.err;
    EXPECT_EQ(raw_tensors(*this / name), raw_tensors(twin(name))) << name;
    EXPECT_EQ(text_of(*this / name + "/config.json"), text_of(twin(name) + "/config.json"));
  }
}

TEST_F(Megatron, AModelRunsFromItsFolderAsFromItsTwin) {
  rows(1);
  const std::string words = " --prompts " + (*this / "rows.jsonl") + " --json --max-new-tokens 8";
  const Shown theirs = corral("generate --checkpoint " + twin("tensor_parallel") + words);
  const Shown mine = corral("generate --megatron-path " + mcore("tensor_parallel") + " --hf-model " + twin("tensor_parallel") + words);
  ASSERT_EQ(mine.code, 0) << mine.err;
  EXPECT_EQ(mine.out, theirs.out);
  EXPECT_NE(mine.out.find("output_ids"), std::string::npos);
}

TEST_F(Megatron, FoldersOfMegatronCoreGiveTheLogitsOfTheirTwins) {
  rows(4);
  const std::string words = " --data " + (*this / "rows.jsonl") + " --seq-length 16 --micro-batch-size 4 --set data.plugin=text --logits ";
  for (const std::string name : {"tied", "tensor_parallel", "per_layer", "singleton", "optimizer", "buckets"}) {
    const Shown theirs = corral("eval --hf-model " + twin(name) + words + (*this / name + "_hf.safetensors"));
    ASSERT_EQ(theirs.code, 0) << theirs.err;
    const Shown mine = corral("eval --checkpoint " + mcore(name) + " --hf-model " + twin(name) + words + (*this / name + ".safetensors"));
    ASSERT_EQ(mine.code, 0) << mine.err;
    EXPECT_NE(mine.err.find("(megatron: its tracker names iter_0000500)"), std::string::npos) << mine.err;
    const std::vector<float> a = logits(name + ".safetensors"), b = logits(name + "_hf.safetensors");
    ASSERT_EQ(a.size(), b.size());
    ASSERT_GT(a.size(), 1000u);
    float largest = 0, difference = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      largest = std::max(largest, std::fabs(b[i]));
      difference = std::max(difference, std::fabs(a[i] - b[i]));
    }
    EXPECT_GT(largest, 1e-3);
    EXPECT_LE(difference, 1e-4) << name;
  }
}

TEST_F(Megatron, AnExportSaysThatItLeavesOptimizerStateBehind) {
  const Shown out =
      corral("export --megatron-path " + mcore("optimizer") + " --hf-model " + twin("optimizer") + " --hf-path " + (*this / "out"));
  EXPECT_NE(out.err.find("only weights are loaded, without "), std::string::npos) << out.err;
}

TEST_F(Megatron, AFolderOfTwoFormatsIsNotGuessed) {
  ASSERT_EQ(corral("import --hf-model " + golden("llama32") + " --megatron-path " + (*this / "mg")).code, 0);
  const std::string folder = *this / "mg/iter_0000000";
  for (const char* name : {"model.safetensors", "config.json"}) fs::copy(golden("llama32") + "/" + name, folder + "/" + name);
  const Shown refused = corral("export --checkpoint " + folder + " --hf-path " + (*this / "a"));
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("may be a checkpoint of hf as well as of megatron"), std::string::npos) << refused.err;
  const Shown named = corral("export --megatron-path " + folder + " --hf-path " + (*this / "b"));
  EXPECT_EQ(named.code, 0) << named.err;
  EXPECT_NE(named.err.find("(megatron: has .metadata and metadata.json)"), std::string::npos) << named.err;
  const Shown other = corral("export --megatron-path " + golden("llama32") + " --hf-path " + (*this / "c"));
  EXPECT_EQ(other.code, 2);
  EXPECT_NE(other.err.find("not a checkpoint of the format megatron"), std::string::npos) << other.err;
}

TEST_F(Megatron, AFolderWithoutAConfigurationIsRefusedWithTheFlagThatNamesOne) {
  const Shown refused = corral("export --checkpoint " + mcore("tied") + " --hf-path " + (*this / "out"));
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("give the model's folder with --hf-model"), std::string::npos) << refused.err;
  EXPECT_FALSE(fs::exists(*this / "out"));
  const Shown both = corral("export --checkpoint x --megatron-path y --hf-path " + (*this / "out"));
  EXPECT_EQ(both.code, 2);
  EXPECT_NE(both.err.find("use one"), std::string::npos) << both.err;
  // The configuration describes other shapes than the weights have.
  const Shown other =
      corral("export --megatron-path " + mcore("tied") + " --hf-model " + golden("llama32") + " --hf-path " + (*this / "out"));
  EXPECT_EQ(other.code, 2);
  EXPECT_NE(other.err.find("but the model's configuration needs"), std::string::npos) << other.err;
}

// A killed command leaves its folder whole or not at all. The partial folder beside it is refused by every reader, and the next command
// removes it and says so.
TEST_F(Megatron, ACommandKilledAtAnyInstantLeavesNoFolderThatLooksWhole) {
  const std::string source = *this / "hf";
  std::vector<std::string> init{"init", "--model", "llama31", "--set"};
  for (const char* setting : {"num_hidden_layers=3", "hidden_size=512", "intermediate_size=900", "num_attention_heads=8",
                              "num_key_value_heads=2", "head_dim=64", "vocab_size=3000"})
    init.push_back(std::string("model.") + setting);
  init.insert(init.end(), {"--hf-path", source});
  ASSERT_EQ(wait(start(init)), 0) << text_of(*this / "child");
  init.back() = *this / "new";
  ASSERT_EQ(corral("import --hf-model " + source + " --megatron-path " + (*this / "mg")).code, 0);
  const std::vector<std::vector<std::string>> commands = {init,
                                                          {"import", "--hf-model", source, "--megatron-path", *this / "new"},
                                                          {"export", "--megatron-path", *this / "mg", "--hf-path", *this / "new"}};
  std::mt19937 random(3);
  for (const auto& words : commands) {
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_EQ(wait(start(words)), 0) << text_of(*this / "child");
    const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin).count();
    const auto expected = files(*this / "new");
    int missing = 0, partial = 0, locked = 0;
    for (int round = 0; round < 20; ++round) {
      fs::remove_all(*this / "new");
      const pid_t child = start(words);
      std::this_thread::sleep_for(std::chrono::microseconds(random() % static_cast<unsigned>(whole * 5 / 4)));
      if (const int folder = ::open((*this / "new.partial").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); folder >= 0) {
        locked += ::flock(folder, LOCK_EX | LOCK_NB) != 0;
        ::close(folder);
      }
      ::kill(child, SIGKILL);
      wait(child);
      partial += fs::exists(*this / "new.partial");
      if (!fs::exists(*this / "new"))
        ++missing;
      else
        EXPECT_TRUE(files(*this / "new") == expected) << words[0] << " killed in round " << round;
    }
    EXPECT_GT(partial, 2) << words[0] << ": no kill fell into the writing";
    EXPECT_GT(locked, 2) << words[0] << ": another one would not see that it writes";
    EXPECT_GT(missing, 2);
    fs::remove_all(*this / "new");
    // A kill just before the rename leaves a partial folder with all files.
    if (!fs::exists(*this / "new.partial")) fs::copy(source, *this / "new.partial");
    for (const char* reads : {"inspect ", "verify ", "generate --prompt a --checkpoint "}) {
      const Shown refused = corral(reads + (*this / "new.partial"));
      EXPECT_EQ(refused.code, 2) << reads;
      EXPECT_NE(refused.err.find("new.partial is not whole"), std::string::npos) << refused.err;
    }
    ASSERT_EQ(wait(start(words)), 0) << text_of(*this / "child");
    const std::string said = text_of(*this / "child");
    EXPECT_NE(said.find("removed " + (*this / "new.partial") + " ("), std::string::npos) << said;
    EXPECT_NE(said.find("left by a process that was killed"), std::string::npos) << said;
    EXPECT_TRUE(files(*this / "new") == expected);
    EXPECT_FALSE(fs::exists(*this / "new.partial"));
    fs::remove_all(*this / "new");
  }
}

TEST_F(Megatron, AFolderThatALivingProcessWritesIsLeftToIt) {
  const std::string partial = *this / "new.partial", words = "export --checkpoint " + golden("llama3") + " --hf-path " + (*this / "new");
  fs::create_directory(partial);
  write_text(partial + "/model.safetensors", "half of it");
  const int other = ::open(partial.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  const Shown refused = corral(words);
  EXPECT_EQ(refused.code, 3);
  EXPECT_NE(refused.err.find("new.partial: another process is writing it"), std::string::npos) << refused.err;
  EXPECT_EQ(text_of(partial + "/model.safetensors"), "half of it");
  ::close(other);
  const Shown taken = corral(words);
  EXPECT_EQ(taken.code, 0) << taken.err;
  EXPECT_NE(taken.err.find("removed " + partial + " (10 bytes)"), std::string::npos) << taken.err;
}

// The first two commands see that the disk is too small before they write. The third passes that check, runs out of room and leaves
// nothing.
TEST_F(Megatron, AFullDiskIsFoundBeforeTheFirstTensorAndNothingIsLeft) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount a small disk";
  ASSERT_EQ(corral("import --hf-model " + golden("llama3") + " --megatron-path " + (*this / "mg")).code, 0);
  fs::create_directory(*this / "disk");
  const std::string program = CORRAL_BINARY_DIR "/bin/corral ", disk = *this / "disk";
  write_text(*this / "script", "mount -t tmpfs -o size=200k corral " + disk + " || exit 77\n" + program + "import --hf-model " +
                                   golden("llama3") + " --megatron-path " + disk + "/new 2>" + (*this / "a") + "; echo $? >" +
                                   (*this / "codes") + "\n" + program + "export --megatron-path " + (*this / "mg") + " --hf-path " + disk +
                                   "/new 2>" + (*this / "b") + "; echo $? >>" + (*this / "codes") + "\nls -A " + disk + " >" +
                                   (*this / "left") + "\nmount -o remount,size=360k " + disk + "\n" + program + "import --hf-model " +
                                   golden("llama3") + " --megatron-path " + disk + "/new 2>" + (*this / "c") + "; echo $? >>" +
                                   (*this / "codes") + "\nls -A " + disk + " >>" + (*this / "left"));
  const int status = std::system(("unshare -m sh " + (*this / "script") + " 2>/dev/null").c_str());
  if (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127) GTEST_SKIP() << "cannot mount a small disk here";
  EXPECT_EQ(text_of(*this / "codes"), "3\n3\n3\n") << text_of(*this / "a") << text_of(*this / "b") << text_of(*this / "c");
  for (const char* err : {"a", "b"})
    EXPECT_NE(text_of(*this / err).find("but its disk has only"), std::string::npos) << text_of(*this / err);
  EXPECT_NE(text_of(*this / "c").find("nothing is left of it"), std::string::npos) << text_of(*this / "c");
  EXPECT_EQ(text_of(*this / "left"), "");
}

TEST_F(Megatron, ARunThatSavesInMegatronsFormatIsResumedBitForBit) {
  const std::string words =
      "pretrain --pretrained-checkpoint " + golden("llama32") + " --checkpoint-format megatron --data " + rows(24) +
      " --seq-length 16 --global-batch-size 4 --micro-batch-size 2 --lr 1e-3"
      " --set optimizer.lr_warmup_iters=1 train.save_interval=3 train.eval_interval=0 precision.plugin=bf16 --train-iters 6 --dir ";
  const Shown whole = corral(words + (*this / "whole"));
  ASSERT_EQ(whole.code, 0) << whole.err;
  fs::copy(*this / "whole", *this / "parts", fs::copy_options::recursive);
  fs::remove_all(*this / "parts/checkpoints/iter_0000006");
  const Shown parts = corral("pretrain --resume --dir " + (*this / "parts"));
  ASSERT_EQ(parts.code, 0) << parts.err;
  EXPECT_NE(parts.err.find("after 3 steps"), std::string::npos) << parts.err;
  const auto expected = files(*this / "whole/checkpoints/iter_0000006");
  EXPECT_EQ(files(*this / "parts/checkpoints/iter_0000006"), expected);
  EXPECT_FALSE(expected.contains("state/.metadata"));  // optimizer state is stored with the weights
  EXPECT_NE(expected.at("__0_0.distcp"), text_of(*this / "whole/checkpoints/iter_0000003/__0_0.distcp"));
  // The checkpoint has all files that an export needs.
  ASSERT_EQ(corral("export --checkpoint " + (*this / "parts") + " --hf-path " + (*this / "hf")).code, 0);
  EXPECT_EQ(files(*this / "hf", ".safetensors").size(), files(golden("llama32"), ".safetensors").size());
}

TEST_F(Megatron, TrainingBeginsFromAFolderOfMegatronCore) {
  ASSERT_EQ(corral("import --hf-model " + golden("llama3") + " --megatron-path " + (*this / "mg")).code, 0);
  const std::string words = " --data " + rows(8) +
                            " --seq-length 16 --global-batch-size 2 --micro-batch-size 2 --lr 1e-3 --train-iters 2"
                            " --set optimizer.lr_warmup_iters=1 train.save_interval=2 train.eval_interval=0 --dir ";
  ASSERT_EQ(corral("pretrain --pretrained-checkpoint " + golden("llama3") + words + (*this / "a")).code, 0);
  const Shown from = corral("pretrain --pretrained-checkpoint " + (*this / "mg") + words + (*this / "b"));
  ASSERT_EQ(from.code, 0) << from.err;
  EXPECT_EQ(raw_tensors(*this / "b/checkpoints/iter_0000002"), raw_tensors(*this / "a/checkpoints/iter_0000002"));
  EXPECT_EQ(text_of(*this / "b/checkpoints/iter_0000002/config.json"), text_of(*this / "a/checkpoints/iter_0000002/config.json"));
}

}  // namespace
