#include "bin/terminal/training_command.h"

#include "bin/terminal/graph_dump.h"
#include "bin/terminal/model_flags.h"
#include "bin/terminal/program_host.h"
#include "bin/terminal/sources.h"
#include "corral/error.h"

namespace corral::cli {
namespace {

std::optional<double> wanted_epochs(const Arguments& arguments) {
  if (!arguments.has("epochs")) return {};
  const double epochs = arguments.number("epochs", 1);
  if (!(epochs > 0 && epochs < 1e9)) fail("--epochs = {}: needs a number above 0", epochs);
  if (arguments.has("train-iters")) fail("--epochs and --train-iters both say how long to train: give one of them");
  return epochs;
}

std::optional<job::GraphOnly> wanted_graph(const Arguments& arguments) {
  if (!arguments.has("dump-graph")) return {};
  return job::GraphOnly{[&](train::Pipeline& pipeline) { pipeline = printing_stages(arguments, std::move(pipeline)); },
                        [&](const train::Pipeline& pipeline, const std::function<const runtime::Session&()>& planned) {
                          ends_with_graph(arguments, pipeline, planned);
                        }};
}

}  // namespace

int train_command(const Arguments& arguments, job::TrainingRequest::Mode mode) {
  job::TrainingRequest request;
  request.mode = mode;
  request.sources = sources(arguments);
  request.weights = model_at(arguments, "");
  request.resume = arguments.has("resume");
  request.epochs = wanted_epochs(arguments);
  request.graph_only = wanted_graph(arguments);
  return job::train(host_of(arguments), request) == train::Ending::kStopped ? 130 : 0;
}

}  // namespace corral::cli
