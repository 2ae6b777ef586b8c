// --dump-graph STAGE: prints the graph of a stage on standard output instead of doing the command's work.
#pragma once

#include <functional>

#include "bin/terminal/command.h"
#include "kernel/runtime/session.h"
#include "kernel/train/pipeline.h"

namespace corral::cli {

// Sets the pipeline to print the graphs of the wanted stage as they are made. Throws Error (2) for an unknown stage.
train::Pipeline printing_stages(const Arguments& arguments, train::Pipeline pipeline);

// True if a stage is wanted: the command ends here, after its graphs are made. Refuses a stage that no graph of this command has passed. If
// the stage is the memory plan, prints the plan of the session that `planned` returns.
bool ends_with_graph(const Arguments& arguments, const train::Pipeline& pipeline, const std::function<const runtime::Session&()>& planned);

}  // namespace corral::cli
