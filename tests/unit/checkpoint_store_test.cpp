// A save is whole or absent, through kills, full disks and damage.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "corral/error.h"
#include "kernel/checkpoint/files.h"
#include "kernel/checkpoint/store.h"

namespace corral::checkpoint {
namespace {
namespace fs = std::filesystem;

class Store : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "corral-store-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    checkpoints_ = (folder_ / "checkpoints").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string save(uint64_t iteration, uint64_t keep = 0) {
    return save_checkpoint(checkpoints_, iteration, [&](const std::string& to) { fill(to, iteration); }, {keep, say_});
  }
  std::optional<Found> newest() { return newest_verified(checkpoints_, say_); }
  std::string said() const {
    std::string all;
    for (const std::string& line : lines_) all += line + "\n";
    return all;
  }

  // Writes files whose content is the iteration, line by line.
  static void fill(const fs::path& to, uint64_t iteration) {
    fs::create_directory(to / "state");
    for (const char* name : {"model.bin", "config.json", "state/optimizer.bin"}) {
      std::ofstream out(to / name, std::ios::binary);
      for (int i = 0; i < 2000; ++i) out << iteration << '\n';
    }
  }
  static bool holds(const fs::path& from, uint64_t iteration) {
    for (const char* name : {"model.bin", "config.json", "state/optimizer.bin"}) {
      std::ifstream in(from / name, std::ios::binary);
      uint64_t value = 0;
      int count = 0;
      for (; in >> value; ++count)
        if (value != iteration) return false;
      if (count != 2000) return false;
    }
    return true;
  }

  fs::path folder_;
  std::string checkpoints_;
  std::vector<std::string> lines_;
  Say say_ = [this](const std::string& line) { lines_.push_back(line); };
};

TEST_F(Store, TheNewestIsFoundAndNamedInTheLatestFile) {
  EXPECT_FALSE(newest().has_value());
  save(5);
  EXPECT_EQ(save(1234567890), checkpoints_ + "/iter_1234567890");
  save(20);
  ASSERT_TRUE(newest().has_value());
  EXPECT_EQ(newest()->iteration, 1234567890u);
  EXPECT_TRUE(holds(newest()->path, 1234567890));
  EXPECT_EQ(verified(checkpoints_ + "/iter_0000020/").iteration, 20u);
  std::ifstream latest(checkpoints_ + "/latest_checkpointed_iteration.txt");
  uint64_t iteration = 0;
  EXPECT_TRUE(latest >> iteration);
  EXPECT_EQ(iteration, 20u);
  EXPECT_EQ(said(), "");
}

TEST_F(Store, SavingTheSameIterationAgainReplacesIt) {
  save(7);
  save_checkpoint(checkpoints_, 7, [](const std::string& to) { std::ofstream(to + "/other") << "x"; });
  EXPECT_TRUE(fs::exists(checkpoints_ + "/iter_0000007/other"));
  EXPECT_FALSE(fs::exists(checkpoints_ + "/iter_0000007/model.bin"));
  EXPECT_FALSE(fs::exists(checkpoints_ + "/iter_0000007.partial"));
  EXPECT_EQ(newest()->iteration, 7u);
}

// A hole has the hash of as many zeros, computed from its length alone: none of its pages is brought into memory.
TEST_F(Store, AHoleIsHashedWithoutBeingRead) {
  constexpr size_t kData = 3 << 12, kWhole = (64 << 20) + 100;
  std::string content(kWhole, '\0');
  std::fill_n(content.begin() + (32 << 20), kData, 'x');
  const auto hash_of = [&](const char* name) {
    std::ifstream manifest(checkpoints_ + "/iter_0000001/MANIFEST.json");
    const std::string text{std::istreambuf_iterator<char>(manifest), {}};
    return text.substr(text.find("xxh3_128", text.find(name)), 44);
  };
  save_checkpoint(checkpoints_, 1, [&](const std::string& to) {
    std::ofstream(to + "/dense") << content;
    std::ofstream sparse(to + "/holes");
    sparse.seekp(32 << 20) << std::string(kData, 'x');
    sparse.close();
    fs::resize_file(to + "/holes", kWhole);
  });
  EXPECT_EQ(hash_of("\"holes\""), hash_of("\"dense\""));
  EXPECT_EQ(verified(checkpoints_ + "/iter_0000001").iteration, 1u);
  const int file = ::open((checkpoints_ + "/iter_0000001/holes").c_str(), O_RDONLY);
  void* map = ::mmap(nullptr, kWhole, PROT_READ, MAP_SHARED, file, 0);
  ASSERT_NE(map, MAP_FAILED);
  std::vector<unsigned char> pages(kWhole / 4096 + 1);
  ASSERT_EQ(::mincore(map, kWhole, pages.data()), 0);
  ::munmap(map, kWhole);
  ::close(file);
  EXPECT_LT(std::count_if(pages.begin(), pages.end(), [](unsigned char p) { return p & 1; }), 1000);
}

TEST_F(Store, KeepsTheLastFew) {
  for (uint64_t i = 1; i <= 5; ++i) save(i, 2);
  const std::vector<Found> all = list_checkpoints(checkpoints_);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].iteration, 5u);
  EXPECT_EQ(all[1].iteration, 4u);
}

TEST_F(Store, LeftoversOfAKilledSaveAreSkippedThenRemovedAndReported) {
  save(1);
  fs::create_directories(checkpoints_ + "/iter_0000002.partial/state");
  std::ofstream(checkpoints_ + "/iter_0000002.partial/model.bin") << std::string(2500, 'x');
  fs::create_directories(checkpoints_ + "/of_the_user.partial");
  EXPECT_EQ(newest()->iteration, 1u);
  EXPECT_EQ(said(), "skipped " + checkpoints_ + "/iter_0000002.partial: its save did not finish\n");
  lines_.clear();
  save(3);
  EXPECT_EQ(said(), "removed " + checkpoints_ + "/iter_0000002.partial (2.5 KB), left by a save that did not finish\n");
  EXPECT_FALSE(fs::exists(checkpoints_ + "/iter_0000002.partial"));
  EXPECT_TRUE(fs::exists(checkpoints_ + "/of_the_user.partial"));
}

TEST_F(Store, APathMayBeARunItsCheckpointsOneOfThemOrAnotherProgramsFolder) {
  const auto message = [&](const std::string& path) -> std::string {
    try {
      return locate_checkpoint(path, say_).path;
    } catch (const Error& e) {
      EXPECT_EQ(e.exit_code(), 2);
      return e.what();
    }
  };
  fs::create_directories(checkpoints_);
  EXPECT_NE(message(folder_.string()).find("has saved no checkpoint yet"), std::string::npos);
  save(1);
  save(2);
  EXPECT_EQ(message(folder_.string()), checkpoints_ + "/iter_0000002");
  EXPECT_EQ(message(checkpoints_), checkpoints_ + "/iter_0000002");
  EXPECT_EQ(message(checkpoints_ + "/iter_0000001"), checkpoints_ + "/iter_0000001");
  EXPECT_EQ(locate_checkpoint(checkpoints_ + "/iter_0000001", {}).iteration, 1u);
  const std::string foreign = (folder_ / "foreign").string();
  fs::create_directories(foreign);
  EXPECT_EQ(message(foreign), foreign);
  EXPECT_FALSE(locate_checkpoint(foreign, {}).iteration.has_value());
  EXPECT_NE(message(foreign + "/none").find("no such checkpoint"), std::string::npos);
  for (const char* name : {"/iter_0000001/config.json", "/iter_0000002/model.bin"}) fs::remove(checkpoints_ + name);
  EXPECT_NE(message(folder_.string()).find("no whole checkpoint\n       skipped " + checkpoints_ + "/iter_0000002: model.bin is missing"),
            std::string::npos);
  EXPECT_NE(message(checkpoints_ + "/iter_0000001").find("is not a whole checkpoint: config.json is missing"), std::string::npos);
}

struct Damage {
  const char* what;
  std::function<void(const fs::path&)> spoil;
  const char* reason;
};

class DamagedCheckpoint : public Store, public testing::WithParamInterface<Damage> {};

TEST_P(DamagedCheckpoint, IsSkippedWithTheReason) {
  save(1);
  const fs::path bad = save(2);
  GetParam().spoil(bad);
  ASSERT_TRUE(newest().has_value());
  EXPECT_EQ(newest()->iteration, 1u);
  ASSERT_FALSE(lines_.empty());
  EXPECT_NE(lines_[0].find("skipped " + bad.string() + ": " + GetParam().reason), std::string::npos) << lines_[0];
  EXPECT_THROW(verified(bad.string()), Error);
}

void write_over(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary | std::ios::trunc) << text; }

INSTANTIATE_TEST_SUITE_P(
    Table, DamagedCheckpoint,
    testing::Values(Damage{"OneByteChanged",
                           [](const fs::path& f) {
                             std::fstream file(f / "model.bin", std::ios::binary | std::ios::in | std::ios::out);
                             file.seekp(1000);
                             file.put('x');
                           },
                           "model.bin is damaged: its content does not agree with its hash"},
                    Damage{"CutOff", [](const fs::path& f) { fs::resize_file(f / "state/optimizer.bin", 100); },
                           "state/optimizer.bin has 100 bytes, expected 4000"},
                    Damage{"FileMissing", [](const fs::path& f) { fs::remove(f / "config.json"); }, "config.json is missing"},
                    Damage{"FileIsAFolder",
                           [](const fs::path& f) {
                             fs::remove(f / "config.json");
                             fs::create_directory(f / "config.json");
                           },
                           "config.json is missing"},
                    Damage{"NoManifest", [](const fs::path& f) { fs::remove(f / "MANIFEST.json"); },
                           "it has no MANIFEST.json: the save did not finish"},
                    Damage{"ManifestCutOff", [](const fs::path& f) { fs::resize_file(f / "MANIFEST.json", 50); },
                           "MANIFEST.json is damaged: "},
                    Damage{"ManifestIsAList", [](const fs::path& f) { write_over(f / "MANIFEST.json", "[]"); },
                           "MANIFEST.json is damaged: it lists no files"},
                    Damage{"ManifestIsDeep", [](const fs::path& f) { write_over(f / "MANIFEST.json", std::string(100000, '[')); },
                           "MANIFEST.json is nested more than 8 deep"},
                    Damage{"ManifestOfALaterFormat",
                           [](const fs::path& f) { write_over(f / "MANIFEST.json", R"({"format":2,"iteration":2,"files":{}})"); },
                           "MANIFEST.json has format 2: expected 1"},
                    Damage{"ManifestOfAnotherIteration",
                           [](const fs::path& f) { write_over(f / "MANIFEST.json", R"({"format":1,"iteration":1,"files":{}})"); },
                           "MANIFEST.json is damaged: its iteration"},
                    Damage{"ManifestLeavesTheFolder",
                           [](const fs::path& f) {
                             write_over(f / "MANIFEST.json",
                                        R"({"format":1,"iteration":2,"files":{"../iter_0000001/model.bin":{"size":1,"xxh3_128":""}}})");
                           },
                           "MANIFEST.json is damaged: it names a file outside of the folder"},
                    Damage{"ManifestWithoutSizes",
                           [](const fs::path& f) {
                             write_over(f / "MANIFEST.json", R"({"format":1,"iteration":2,"files":{"model.bin":{"size":-1}}})");
                           },
                           "MANIFEST.json is damaged: model.bin has no size or no hash"}),
    [](const auto& test) { return test.param.what; });

TEST_F(Store, AFailedSaveLeavesNothing) {
  save(1);
  EXPECT_THROW(save_checkpoint(checkpoints_, 2,
                               [](const std::string& to) {
                                 fill(to, 2);
                                 fail("no");
                               }),
               Error);
  EXPECT_EQ(list_checkpoints(checkpoints_).size(), 1u);
  EXPECT_FALSE(fs::exists(checkpoints_ + "/iter_0000002.partial"));
}

// Runs in a child that mounts a disk of its own. Returns 0 on success and 77 if no such disk can be mounted.
int save_on_a_full_disk(const std::string& folder) {
  if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return 77;
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
  if (::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=64k") != 0) return 77;
  const std::string checkpoints = folder + "/checkpoints";
  const auto write = [](uint64_t bytes) {
    return [bytes](const std::string& to) { write_synced(to + "/model.bin", std::string(bytes, 'x')); };
  };
  save_checkpoint(checkpoints, 1, write(20000));
  try {
    save_checkpoint(checkpoints, 2, write(60000));
    return 1;
  } catch (const NoSpace& e) {
    const std::string text = e.what();
    if (e.exit_code() != 3 || text.find("No space left on device") == std::string::npos) return 2;
    if (text.find("removed " + checkpoints + "/iter_0000002.partial (") == std::string::npos) return 3;
  }
  if (fs::exists(checkpoints + "/iter_0000002.partial")) return 4;
  const auto found = newest_verified(checkpoints, {});
  if (!found || found->iteration != 1) return 5;
  save_checkpoint(checkpoints, 3, write(20000));  // there is room again
  return 0;
}

// Programs of a format look for its latest_* files beside the checkpoints.
TEST_F(Store, FilesNamedLatestAreWrittenBesideTheNewestCheckpoint) {
  for (const uint64_t i : {1, 2})
    save_checkpoint(checkpoints_, i, [&](const std::string& to) {
      fill(to, i);
      std::ofstream(to + "/latest_state.pt") << "of " << i;
    });
  std::ifstream file(checkpoints_ + "/latest_state.pt");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "of 2");
  EXPECT_FALSE(fs::exists(checkpoints_ + "/iter_0000002/latest_state.pt"));
  EXPECT_TRUE(newest().has_value());
}

TEST_F(Store, AFolderOfAnotherProgramHasNoManifestAndIsTakenAsItIs) {
  const std::string path = save_checkpoint(checkpoints_, 3, [&](const std::string& to) { fill(to, 3); }, {0, {}, false});
  EXPECT_FALSE(fs::exists(path + "/MANIFEST.json"));
  EXPECT_EQ(locate_checkpoint(checkpoints_, {}).path, checkpoints_);
  EXPECT_EQ(locate_checkpoint(path, {}).path, path);
  EXPECT_EQ(locate_checkpoint(fs::path(checkpoints_).parent_path().string(), {}).path, checkpoints_);
}

TEST_F(Store, AFullDiskLeavesTheCheckpointsBeforeAndSaysWhatWasRemoved) {
  const pid_t child = ::fork();
  if (child == 0) {
    int result = 6;
    try {
      result = save_on_a_full_disk(folder_.string());
    } catch (...) {
    }
    ::_exit(result);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no small disk can be mounted here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(Store, AKillAtAnyInstantLeavesAWholeCheckpoint) {
  std::mt19937 random(1);
  const auto begin = std::chrono::steady_clock::now();
  save_checkpoint(checkpoints_, 1, [&](const std::string& to) { fill(to, 1); });
  const auto a_save = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin).count();
  const auto longest = static_cast<unsigned>(std::clamp<int64_t>(3 * a_save, 20'000, 300'000));
  uint64_t last = 1;
  int leftovers = 0;
  for (int round = 0; round < 100 || (last <= 20 && round < 1000); ++round) {  // a slow disk needs more rounds
    const pid_t child = ::fork();
    if (child == 0) {
      for (uint64_t i = last + 1;; ++i) save_checkpoint(checkpoints_, i, [&](const std::string& to) { fill(to, i); }, {3, {}});
    }
    std::this_thread::sleep_for(std::chrono::microseconds(500 + random() % longest));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    for (const auto& entry : fs::directory_iterator(checkpoints_)) leftovers += entry.path().extension() == ".partial";
    const std::vector<Found> all = list_checkpoints(checkpoints_);
    if (last == 0 && all.empty()) continue;
    ASSERT_FALSE(all.empty());
    lines_.clear();
    const auto found = newest();
    ASSERT_TRUE(found.has_value()) << said();
    EXPECT_EQ(found->path, all[0].path) << said();  // a folder with a checkpoint's name is whole
    EXPECT_GE(found->iteration, last);
    ASSERT_TRUE(holds(found->path, found->iteration));
    last = found->iteration;
  }
  EXPECT_GT(last, 20u);
  EXPECT_GT(leftovers, 10);  // some kills did interrupt a save
}

}  // namespace
}  // namespace corral::checkpoint
