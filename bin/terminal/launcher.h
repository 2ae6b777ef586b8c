// The rank of this process, if a launcher (mpirun, srun) started several together.
#pragma once

#include <cstdint>
#include <string>

#include "bin/job/host.h"

namespace corral::cli {

struct Launch {
  uint64_t ranks = 1, rank = 0;
  std::string variable = "";   // environment variable with the number of ranks; "" if the process was started alone
  std::string one_alone = "";  // how this launcher starts a single process
  bool first() const { return rank == 0; }
};

// Reads the environment variables that launchers set. The shell of a Slurm allocation is not a rank, although it has the number of tasks.
Launch launch_of_environment();

// Checks that several processes can run together. Throws Error (2) if no collective plugin is installed or the collective sees another
// number of ranks, and also because this program works on one rank so far. `wanted` names the plugin; "": the first installed one.
void require_collective(const Launch& launch, const job::Host& host, const std::string& wanted);

}  // namespace corral::cli
