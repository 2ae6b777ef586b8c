// `corral pretrain`: trains a model from random or given weights.
#include "bin/terminal/training_command.h"

namespace corral::cli {
namespace {

constexpr Flag kFlags[] = {
    {"resume", Flag::kNothing, "", "continue from the newest whole checkpoint of the run's directory", ""},
    {"epochs", Flag::kValue, "N", "train for this many passes over the data: sets train.train_iters", ""},
};

}  // namespace

extern const Command command_pretrain{
    "pretrain", "train a model on text", "",
    kFlags,     kTrainingShared,         [](const Arguments& a) { return train_command(a, job::TrainingRequest::kPretrain); },
    Ranks::kAll};

}  // namespace corral::cli
