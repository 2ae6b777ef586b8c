#include "bin/terminal/launcher.h"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "corral/error.h"
#include "kernel/plugin/collective.h"

namespace corral::cli {
namespace {

struct Launcher {
  const char *ranks, *rank;
  const char* step;       // set only if the launcher started this process; "" if `ranks` is
  const char* one_alone;  // how to start a single process
};
constexpr Launcher kLaunchers[] = {
    {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "", "mpirun -n 1, or corral without mpirun"},
    {"PMI_SIZE", "PMI_RANK", "", "mpiexec -n 1, or corral without mpiexec"},
    {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_STEP_ID", "srun --ntasks=1, or corral without srun"},
    {"SLURM_NTASKS", "SLURM_PROCID", "SLURM_STEP_ID", "srun --ntasks=1, or corral without srun"},
};
// Step numbers from here on belong to steps that no srun started: a batch script, an interactive shell.
constexpr uint64_t kFirstSpecialStep = 0xfffffff0;

std::optional<uint64_t> number_in(const char* variable) {
  const char* text = std::getenv(variable);
  if (!text) return {};
  uint64_t value = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, value);
  return error == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

bool started_by(const Launcher& launcher) {
  if (!number_in(launcher.ranks)) return false;
  if (*launcher.step == '\0') return true;
  const auto step = number_in(launcher.step);
  return step && *step < kFirstSpecialStep && number_in(launcher.rank);
}

}  // namespace

Launch launch_of_environment() {
  for (const Launcher& launcher : kLaunchers)
    if (started_by(launcher)) return {*number_in(launcher.ranks), number_in(launcher.rank).value_or(0), launcher.ranks, launcher.one_alone};
  return {};
}

void require_collective(const Launch& launch, const job::Host& host, const std::string& wanted) {
  const std::vector<std::string> installed = host.available("collective");
  if (wanted.empty() && installed.empty())
    fail(
        "{} = {}: this process is one of several, but no collective plugin is installed to connect them\n"
        "       install the package of one (corral plugins lists those installed), or start one process: {}",
        launch.variable, launch.ranks, launch.one_alone);
  const std::string& name = wanted.empty() ? installed[0] : wanted;
  const CollectiveInfo info = CollectiveHandle::open(host.plugins.load("collective", name), {}).info();
  if (info.ranks != launch.ranks)
    fail(
        "{} = {}, but the collective {} sees {} rank{}: the launcher has not told its library of the others\n"
        "       srun does so by --mpi=pmix or --mpi=pmi2; an mpirun has to come from the MPI that the plugin was built with",
        launch.variable, launch.ranks, name, info.ranks, info.ranks == 1 ? "" : "s");
  fail("{} = {}: this program works on one rank so far; start one process: {}", launch.variable, launch.ranks, launch.one_alone);
}

}  // namespace corral::cli
