// This process among those that a launcher started together: mpirun, srun.
#pragma once

#include <cstdint>
#include <string>

#include "bin/job/host.h"

namespace corral::cli {

struct Launch {
  uint64_t ranks = 1, rank = 0;
  std::string variable = "";  // of the environment, that tells the number of ranks; "" where the process was started alone
  bool first() const { return rank == 0; }
};

// By the variables of the environment that launchers set. The shell of a Slurm allocation is not a rank, although it knows the number of
// tasks.
Launch launch_of_environment();

// Of several processes: throws Error (2) where no collective plugin is installed, where the collective sees another number of ranks, and
// because this program works on one rank so far. `wanted` names the plugin; "": the first one that is installed.
void require_collective(const Launch& launch, const job::Host& host, const std::string& wanted);

}  // namespace corral::cli
