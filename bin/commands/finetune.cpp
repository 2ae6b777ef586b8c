// `corral finetune`: continues training a model's weights, or trains a few weights that are added to it.
#include "bin/terminal/training_command.h"

namespace corral::cli {
namespace {

constexpr Flag kFlags[] = {
    {"adapter", Flag::kValue, "DIR", "folder of an adapter to begin from", ""},
    {"epochs", Flag::kValue, "N", "train for this many passes over the data: sets train.train_iters", ""},
    {"resume", Flag::kNothing, "", "continue from the newest whole checkpoint of the run's directory", ""},
};

}  // namespace

extern const Command command_finetune{"finetune",
                                      "train a model further, or an adapter for it",
                                      "",
                                      kFlags,
                                      kTrainingShared,
                                      [](const Arguments& a) { return train_command(a, job::TrainingRequest::kFinetune); },
                                      Ranks::kAll};

}  // namespace corral::cli
