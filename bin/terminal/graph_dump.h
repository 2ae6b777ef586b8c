// --dump-graph STAGE: the graph of a stage on standard output, instead of the command's work.
#pragma once

#include <functional>

#include "bin/terminal/command.h"
#include "kernel/runtime/session.h"
#include "kernel/train/pipeline.h"

namespace corral::cli {

// The pipeline, set to print the graphs of the wanted stage as they are made. Throws Error (2) for an unknown stage.
train::Pipeline printing_stages(const Arguments& arguments, train::Pipeline pipeline);

// Whether the command ends here, its graphs being made: true where a stage is wanted. `planned` gives the session whose memory plan is
// printed where that is it. Refuses a stage that no graph of this command has passed.
bool ends_with_graph(const Arguments& arguments, const train::Pipeline& pipeline, const std::function<const runtime::Session&()>& planned);

}  // namespace corral::cli
