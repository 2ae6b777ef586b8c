// The program as mpirun and srun start it: one process of several.
#include "tests/program/run_program.h"

namespace {

class LauncherProgram : public ProgramTest {
 protected:
  // Words of a run that would end at once with what it lacks, if its work began.
  std::string pretrain() const { return "pretrain --pretrained-checkpoint " + golden("llama3") + " --dir " + (*this / "run"); }
};

TEST_F(LauncherProgram, OneOfSeveralWithoutACollectiveEndsBeforeAnyWork) {
  for (const char* launcher :
       {"OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=0 ", "PMI_SIZE=2 PMI_RANK=0 ", "SLURM_NTASKS=2 SLURM_PROCID=0 SLURM_STEP_ID=1 "}) {
    const Shown shown = corral(pretrain(), launcher);
    EXPECT_EQ(shown.code, 2) << launcher << shown.err;
    const std::string variable = std::string(launcher).substr(0, std::string(launcher).find('='));
    EXPECT_TRUE(shown.err.starts_with("error: " + variable + " = 2: ")) << shown.err;
    EXPECT_NE(shown.err.find("no collective plugin is installed"), std::string::npos) << shown.err;
    EXPECT_NE(shown.err.find("or start one process: "), std::string::npos) << shown.err;
    EXPECT_FALSE(std::filesystem::exists(*this / "run"));
  }
  for (const char* command : {"finetune", "generate --checkpoint x", "eval --checkpoint x", "chat --checkpoint x"})
    EXPECT_NE(corral(command, "PMI_SIZE=2 PMI_RANK=0 ").err.find("PMI_SIZE = 2"), std::string::npos) << command;
}

// The test's collective knows of no other process: as MPI does where the launcher has not told it of them.
TEST_F(LauncherProgram, OneOfSeveralWhoseCollectiveSeesAnotherNumberOfRanksEndsBeforeAnyWork) {
  const Shown shown = corral(pretrain() + " --plugin-path " CORRAL_COLLECTIVES, "SLURM_NTASKS=4 SLURM_PROCID=0 SLURM_STEP_ID=0 ");
  EXPECT_EQ(shown.code, 2);
  EXPECT_TRUE(shown.err.starts_with("error: SLURM_NTASKS = 4, but the collective faulty sees 1 rank: ")) << shown.err;
  EXPECT_NE(shown.err.find("--mpi=pmix"), std::string::npos) << shown.err;
  EXPECT_FALSE(std::filesystem::exists(*this / "run"));
  EXPECT_NE(corral(pretrain() + " --collective mpj", "PMI_SIZE=2 PMI_RANK=0 ").err.find("collective plugin \"mpj\": not installed"),
            std::string::npos);
}

TEST_F(LauncherProgram, AnErrorOfAllRanksIsSaidByTheFirst) {
  const Shown shown = corral(pretrain(), "PMI_SIZE=2 PMI_RANK=1 ");
  EXPECT_EQ(shown.code, 2);
  EXPECT_EQ(shown.out + shown.err, "");
}

TEST_F(LauncherProgram, ACommandWithoutRanksRunsOnTheFirstAndTheOthersAreSilent) {
  for (const char* command : {"recipes", "plugins", "inspect " CORRAL_SOURCE_DIR "/tests/golden/models/llama3", "--version"}) {
    const Shown alone = corral(command);
    ASSERT_EQ(alone.code, 0) << alone.err;
    for (const char* launcher :
         {"OMPI_COMM_WORLD_SIZE=3 OMPI_COMM_WORLD_RANK=", "PMI_SIZE=3 PMI_RANK=", "SLURM_NTASKS=3 SLURM_STEP_ID=0 SLURM_PROCID="}) {
      const Shown first = corral(command, launcher + std::string("0 ")), other = corral(command, launcher + std::string("2 "));
      EXPECT_EQ(first.out, alone.out) << launcher;
      EXPECT_EQ(first.code, 0) << launcher;
      EXPECT_EQ(other.out + other.err, "") << launcher;
      EXPECT_EQ(other.code, 0) << launcher;
    }
  }
}

TEST_F(LauncherProgram, AProcessAloneIsNotStoppedByALauncher) {
  const std::string refused = "one of several";
  for (const char* environment : {"", "OMPI_COMM_WORLD_SIZE=1 OMPI_COMM_WORLD_RANK=0 ", "PMI_SIZE=1 ", "PMI_SIZE=many "}) {
    const Shown shown = corral(pretrain(), environment);
    EXPECT_EQ(shown.err.find(refused), std::string::npos) << environment << shown.err;
    EXPECT_NE(shown.err.find("data.paths"), std::string::npos) << environment << shown.err;
  }
}

// salloc and sbatch state the number of tasks to the shell too; a step that srun did not start has a number above all others.
TEST_F(LauncherProgram, TheShellOfASlurmAllocationIsNotARank) {
  for (const char* environment :
       {"SLURM_NTASKS=8 ", "SLURM_NTASKS=8 SLURM_PROCID=0 ", "SLURM_NTASKS=8 SLURM_PROCID=0 SLURM_STEP_ID=4294967290 ",
        "SLURM_NTASKS=8 SLURM_STEP_NUM_TASKS=1 SLURM_PROCID=0 SLURM_STEP_ID=3 "})
    EXPECT_EQ(corral(pretrain(), environment).err.find("one of several"), std::string::npos) << environment;
}

}  // namespace
